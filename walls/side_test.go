package walls_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// tookLong is the line of a reply that has taken longer than slow.
const tookLong = "took more than 4s"

const (
	// stepTimeout is the time for one reply. Only a proxy that hangs needs it.
	stepTimeout = 10 * time.Second
	// slow is the time that no reply needs, not even on a busy machine.
	slow = 4 * time.Second
	// pinCheckInterval is how often a client that waits makes its harness look
	// whether the other one keeps the server connection.
	pinCheckInterval = 20 * time.Millisecond
)

// side is where scripts run: a pool of one server connection, or the server itself.
// It is used by one goroutine.
type side struct {
	c        *cluster
	database string
	admin    *pgconn.PgConn // past the proxy
	oids     map[string]uint32

	proxy   string         // its socket, empty for the server itself
	console *pgconn.PgConn // of the proxy

	kept map[string][]result // logins of clients that have left, by what they can stand for
}

func newSide(c *cluster, database, proxy string) (s *side, err error) {
	s = &side{c: c, database: database, proxy: proxy, oids: map[string]uint32{}, kept: map[string][]result{}}
	if s.admin, err = c.connect(database); err != nil {
		return nil, err
	}
	// Event triggers of compositions are not for the cleanup.
	if _, err := s.admin.Exec(context.Background(), "SET session_replication_role = replica; SET client_min_messages = error; SET lock_timeout = '10s'").ReadAll(); err != nil {
		return nil, err
	}
	if proxy != "" {
		s.console, err = pgconn.Connect(context.Background(), fmt.Sprintf("host=%s port=5432 user=walls dbname=pgbouncer", strings.TrimSuffix(proxy, "/.s.PGSQL.5432")))
	}
	return s, err
}

func (s *side) close() {
	for _, logins := range s.kept {
		for _, l := range logins {
			l.wire.leave(stepTimeout)
		}
	}
	for _, conn := range []*pgconn.PgConn{s.admin, s.console} {
		if conn != nil {
			conn.Close(context.Background())
		}
	}
}

// login logs a client in.
func (s *side) login(role string, startup map[string]string) (*wire, reply, error) {
	parameters := maps.Clone(startup)
	socket := s.c.socket
	parameters["user"], parameters["database"] = role, s.database
	if s.proxy != "" {
		socket, parameters["database"] = s.proxy, role+"/"+s.database
	}
	return login(context.Background(), socket, parameters, stepTimeout)
}

// oid looks up a function.
func (s *side) oid(signature string) (uint32, error) {
	if oid, ok := s.oids[signature]; ok {
		return oid, nil
	}
	results, err := s.admin.Exec(context.Background(), "SELECT "+literal(signature)+"::regprocedure::oid").ReadAll()
	if err != nil {
		return 0, err
	}
	oid, err := strconv.ParseUint(string(results[0].Rows[0][0]), 10, 32)
	if oid < firstUserOID {
		s.oids[signature] = uint32(oid)
	}
	return uint32(oid), err
}

// pinned returns why clients of the proxy keep their server connections, by the process ID
// of each.
func (s *side) pinned() (reasons map[string]string, err error) {
	results, err := s.console.Exec(context.Background(), "SHOW CLIENTS EXTENDED").ReadAll()
	if err != nil {
		return nil, err
	}
	id, pinned := -1, -1
	for i, f := range results[0].FieldDescriptions {
		switch f.Name {
		case "id":
			id = i
		case "pinned":
			pinned = i
		}
	}
	reasons = map[string]string{}
	for _, row := range results[0].Rows {
		reasons[string(row[id])] = string(row[pinned])
	}
	return reasons, nil
}

// renew makes the pools of the side's database open new server connections.
func (s *side) renew() error {
	if s.proxy == "" {
		return nil
	}
	var errs []error
	for _, role := range roles {
		_, err := s.console.Exec(context.Background(), fmt.Sprintf(`RECONNECT "%s/%s"`, role, s.database)).ReadAll()
		var e *pgconn.PgError
		if errors.As(err, &e) { // there may be no pool yet
			err = nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// define makes what a plan needs before its script. What Postgres refuses is missing
// on both sides.
func (s *side) define(p plan) error {
	for _, text := range p.before() {
		_, err := s.admin.Exec(context.Background(), text).ReadAll()
		var e *pgconn.PgError
		if err != nil && !errors.As(err, &e) {
			return err
		}
	}
	return nil
}

// rescan makes the proxy scan the catalogs before the next text of a client of role.
func (s *side) rescan(role string) error {
	w, _, err := s.login(role, map[string]string{})
	if err == nil {
		w.send(query("CREATE SCHEMA rescan; DROP SCHEMA rescan"))
		_, err = w.exchange(1, stepTimeout)
		w.leave(stepTimeout)
	}
	return err
}

// take returns a login of a kind that has been kept, or a new one.
func (s *side) take(kind, role string, startup map[string]string) result {
	if all := s.kept[kind]; len(all) > 0 {
		s.kept[kind] = all[:len(all)-1]
		return all[len(all)-1]
	}
	l := result{kind: kind}
	l.wire, l.said, l.err = s.login(role, startup)
	return l
}

// exec runs statements past the proxy, all of them even if some fail. What they are to
// remove need not be there.
func (s *side) exec(statements []string) (failed error) {
	for _, statement := range statements {
		_, err := s.admin.Exec(context.Background(), statement).ReadAll()
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "42704" {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}
