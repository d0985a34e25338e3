package console

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// showPools has one row for each name, as PgBouncer does.
func showPools(s *snapshot.Proxy) (rows []row) {
	users := map[string]string{}
	for _, t := range s.Targets {
		users[t.Name] = t.User
	}
	for _, pool := range s.Databases() {
		rows = append(rows, row{pool.Name(), users[pool.Target],
			pool.ClientsActive + pool.ClientsIdle, pool.ClientsWaiting, 0, 0,
			pool.ServersActive, 0, pool.ServersResetting, pool.ServersIdle, 0, 0, pool.ServersConnecting,
			pool.OldestWait, pool.OldestWait.Microseconds() % 1e6, pool.Mode, nil,
			pool.Target, pool.ClientsIdle, pool.ServersPinned, pool.Limit, pool.Paused, orNull(pool.LastError)})
	}
	return rows
}

// databases returns the pools by name, and one for the own database of each
// target that has none.
func databases(s *snapshot.Proxy) []snapshot.Pool {
	pools := s.Databases()
	for _, t := range s.Targets {
		if !slices.ContainsFunc(pools, func(pool snapshot.Pool) bool { return pool.Target == t.Name && pool.Database == t.Name }) {
			pools = append(pools, snapshot.Pool{Target: t.Name, Database: t.Name, Mode: s.Mode})
		}
	}
	slices.SortStableFunc(pools, func(a, b snapshot.Pool) int { return strings.Compare(a.Name(), b.Name()) })
	return pools
}

// showDatabases lists the own database of each target and those that clients
// have named.
func showDatabases(s *snapshot.Proxy) (rows []row) {
	targets := map[string]snapshot.Target{}
	for _, t := range s.Targets {
		targets[t.Name] = t
	}
	for _, pool := range databases(s) {
		t := targets[pool.Target]
		database := pool.Database
		if database == pool.Target {
			database = t.Database
		}
		size := s.DefaultPoolSize
		if pool.Mode == snapshot.SessionMode {
			size = s.MaxTargetConnections
		}
		paused, disabled := s.Switched(snapshot.Database{Target: pool.Target, Name: pool.Database})
		rows = append(rows, row{pool.Name(), orNull(t.Host), orNull(t.Port), orNull(database), orNull(t.User),
			size, s.MinPoolSize, 0, s.ServerLifetime, pool.Mode, nil,
			s.MaxTargetConnections, pool.Servers(), s.MaxClientConn, pool.Clients(), paused, disabled, pool.Target})
	}
	return rows
}

func showTargets(s *snapshot.Proxy) (rows []row) {
	failures := map[string]string{}
	for _, pool := range s.Pools {
		failures[pool.Target] = cmp.Or(failures[pool.Target], pool.LastError)
	}
	for _, t := range s.Targets {
		var left any
		if !t.TokenExpiry.IsZero() {
			left = time.Until(t.TokenExpiry)
		}
		rows = append(rows, row{t.Name, t.Default, orNull(t.Host), orNull(t.Port), orNull(t.User), orNull(t.Database),
			t.Token(), t.TokenExpiry, left, t.Tokens, t.CredentialCalls, t.CredentialFailures, t.Rejections,
			t.ServerConns, t.MaxTargetConnections, orNull(failures[t.Name])})
	}
	return rows
}

// showPrepared lists the pools of transaction mode.
func showPrepared(s *snapshot.Proxy) (rows []row) {
	for _, pool := range s.Pools {
		if pool.Mode == snapshot.TransactionMode {
			rows = append(rows, row{pool.Name(), pool.Statements, pool.Servers(), pool.Prepared, s.MaxPreparedStatements})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows
}
