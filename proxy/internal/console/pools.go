package console

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// showPools has one row for each name, as PgBouncer does.
func showPools(p Proxy) (rows []row) {
	users := map[string]string{}
	for _, t := range p.Targets() {
		users[t.Name] = t.User
	}
	for _, pool := range snapshot.Merge(p.Pools(), snapshot.Pool.Name) {
		rows = append(rows, row{pool.Name(), users[pool.Target],
			pool.ClientsActive + pool.ClientsIdle, pool.ClientsWaiting, 0, 0,
			pool.ServersActive, 0, pool.ServersResetting, pool.ServersIdle, 0, 0, pool.ServersConnecting,
			seconds(pool.OldestWait), pool.OldestWait.Microseconds() % 1e6, pool.Mode, nil,
			pool.Target, pool.ClientsIdle, pool.ServersPinned, pool.Limit, flag(pool.Paused), orNull(pool.LastError)})
	}
	return rows
}

// showDatabases lists the own database of each target and those that clients
// have named.
func showDatabases(p Proxy) (rows []row) {
	all := p.Overview()
	pools := snapshot.Merge(p.Pools(), snapshot.Pool.Name)
	targets := map[string]snapshot.Target{}
	for _, t := range p.Targets() {
		targets[t.Name] = t
		if !slices.ContainsFunc(pools, func(pool snapshot.Pool) bool { return pool.Target == t.Name && pool.Database == t.Name }) {
			pools = append(pools, snapshot.Pool{Target: t.Name, Database: t.Name, Mode: all.Mode})
		}
	}
	for _, pool := range pools {
		t := targets[pool.Target]
		database := pool.Database
		if database == pool.Target {
			database = t.Database
		}
		size := all.DefaultPoolSize
		if pool.Mode == snapshot.SessionMode {
			size = all.MaxTargetConnections
		}
		paused, disabled := p.Switched(snapshot.Database{Target: pool.Target, Name: pool.Database})
		rows = append(rows, row{pool.Name(), orNull(t.Host), orNull(t.Port), orNull(database), orNull(t.User),
			size, all.MinPoolSize, 0, seconds(all.ServerLifetime), pool.Mode, nil,
			all.MaxTargetConnections, pool.Servers(), all.MaxClientConn, pool.Clients(), flag(paused), flag(disabled), pool.Target})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows
}

func showTargets(p Proxy) (rows []row) {
	failures := map[string]string{}
	for _, pool := range p.Pools() {
		failures[pool.Target] = cmp.Or(failures[pool.Target], pool.LastError)
	}
	for _, t := range p.Targets() {
		var left any
		if !t.TokenExpiry.IsZero() {
			left = seconds(time.Until(t.TokenExpiry))
		}
		rows = append(rows, row{t.Name, flag(t.Default), orNull(t.Host), orNull(t.Port), orNull(t.User), orNull(t.Database),
			t.Token(), moment(t.TokenExpiry), left, t.Tokens, t.CredentialCalls, t.CredentialFailures, t.Rejections,
			t.ServerConns, t.MaxTargetConnections, orNull(failures[t.Name])})
	}
	return rows
}

// showPrepared lists the pools of transaction mode.
func showPrepared(p Proxy) (rows []row) {
	maximum := p.Overview().MaxPreparedStatements
	for _, pool := range p.Pools() {
		if pool.Mode == snapshot.TransactionMode {
			rows = append(rows, row{pool.Name(), pool.Statements, pool.Servers(), pool.Prepared, maximum})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a[0].(string), b[0].(string)) })
	return rows
}
