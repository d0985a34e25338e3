package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// curve is a cost by a number, for ours and the peers.
type curve struct {
	Name  string   `json:"name"` // of its file
	Title string   `json:"title"`
	X     string   `json:"x"`
	Y     string   `json:"y"`
	Lines []string `json:"lines"` // whose they are
	At    []point  `json:"at"`
}

// point has a value for each line. One that could not be measured is below zero.
type point struct {
	X  float64   `json:"x"`
	Ys []float64 `json:"ys"`
}

// curves are measured only on request: they take minutes.
func (b *proxyBench) curves() []measurement {
	keep := func(measure func(context.Context) (curve, error)) func(context.Context) ([]row, error) {
		return func(ctx context.Context) ([]row, error) {
			c, err := measure(ctx)
			b.grown = append(b.grown, c)
			return nil, err
		}
	}
	return []measurement{
		{"growth-clients", keep(b.byClients)},
		{"growth-result", keep(b.byResult)},
		{"growth-pools", keep(b.byPools)},
		{"growth-targets", keep(b.byTargets)},
	}
}

// steps are those of a curve, fewer for a run that only shows that it works.
func (b *proxyBench) steps(all ...int) []int {
	if b.isShort() {
		return all[:2]
	}
	return all
}

// byClients measures the throughput by the number of clients.
func (b *proxyBench) byClients(ctx context.Context) (curve, error) {
	c := curve{Name: "clients", Title: "Queries a second by clients (prepared protocol)", X: "clients", Y: "queries/s",
		Lines: []string{"lakebase", "PgBouncer"}}
	for _, n := range b.steps(1, 4, 16, 64, 256, 1000, 4000, 10_000) {
		l := load{protocol: "prepared", clients: n}
		p := point{X: float64(n), Ys: []float64{-1, -1}}
		for i, peer := range []*peer{b.ours, b.other} {
			if i == 1 && !b.programs.prepared {
				continue
			}
			r, err := runPgbench(ctx, peer, l, b.spanOf(n))
			if err != nil {
				return c, err
			}
			p.Ys[i] = r.perSecond
		}
		c.At = append(c.At, p)
	}
	return c, nil
}

// byResult measures the throughput for one client by the size of its results.
func (b *proxyBench) byResult(ctx context.Context) (curve, error) {
	c := curve{Name: "result", Title: "Throughput by the size of a result, one client", X: "bytes", Y: "MB/s",
		Lines: []string{"lakebase", "PgBouncer", "no proxy, TLS"}}
	var conns []net.Conn
	for _, url := range []string{b.ours.url(), b.other.url(), b.upstream.url()} {
		conn, err := pgconn.Connect(ctx, url)
		if err != nil {
			return c, err
		}
		hijacked, err := conn.Hijack()
		if err != nil {
			return c, err
		}
		defer hijacked.Conn.Close()
		conns = append(conns, hijacked.Conn)
	}
	for _, n := range b.steps(100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000) {
		ask := pgwire.AppendQuery(nil, fmt.Sprintf("SELECT repeat('x', %d) FROM generate_series(1, %d)", min(n, 1000), max(1, n/1000)))
		p := point{X: float64(n)}
		for _, conn := range conns {
			read, began := 0, time.Now()
			for read == 0 || time.Since(began) < b.span {
				some, err := readAnswer(conn, ask)
				if err != nil {
					return c, err
				}
				read += some
			}
			p.Ys = append(p.Ys, float64(read)/1e6/time.Since(began).Seconds())
		}
		c.At = append(c.At, p)
	}
	return c, nil
}

// byPools measures the memory for each database with a client and a server
// connection.
func (b *proxyBench) byPools(ctx context.Context) (curve, error) {
	c := curve{Name: "pools", Title: "Memory by pools, each with a client and a TLS connection to the server", X: "databases", Y: "MiB",
		Lines: []string{"lakebase", "PgBouncer"}}
	steps := b.steps(1, 2, 4, 8, 16, 32, 64)
	if err := b.upstream.createDatabases(ctx, steps[len(steps)-1]); err != nil {
		return c, err
	}
	for _, n := range steps {
		p := point{X: float64(n)}
		err := b.fresh(ctx, func(peer *peer) error {
			for i := range n {
				cfg, err := pgconn.ParseConfig(peer.urlOf(databaseName(i)))
				if err != nil {
					return err
				}
				conn, err := idleClient(ctx, cfg)
				if err != nil {
					return err
				}
				defer conn.Close()
			}
			memory, err := residentMemory(peer.pid())
			p.Ys = append(p.Ys, float64(memory)/(1<<20))
			return err
		})
		if err != nil {
			return c, err
		}
		c.At = append(c.At, p)
	}
	return c, nil
}

// byTargets measures a proxy for many targets before any client connects.
func (b *proxyBench) byTargets(ctx context.Context) (curve, error) {
	c := curve{Name: "targets", Title: "A proxy for many targets, before any client connects", X: "targets", Y: "ms to be ready, MiB",
		Lines: []string{"start, ms", "memory, MiB"}}
	for _, n := range b.steps(1, 10, 100, 1000) {
		file := filepath.Join(b.dir, "targets.ini")
		var config []byte
		for i := range n {
			config = fmt.Appendf(config, "[target t%d]\naddress = %s\n", i, b.upstream.url())
		}
		if err := os.WriteFile(file, config, 0o600); err != nil {
			return c, err
		}
		began := time.Now()
		p, err := b.programs.startOurs(b.upstream, "--config", file)
		if err != nil {
			return c, err
		}
		took := time.Since(began)
		memory, err := residentMemory(p.pid())
		p.stop()
		if err != nil {
			return c, err
		}
		c.At = append(c.At, point{X: float64(n), Ys: []float64{ms(took), float64(memory) / (1 << 20)}})
	}
	return c, nil
}

func databaseName(i int) string { return "d" + strconv.Itoa(i) }

// createDatabases creates n databases.
func (u *upstream) createDatabases(ctx context.Context, n int) error {
	admin, err := u.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	for i := range n {
		_, failed := admin.Exec(ctx, "CREATE DATABASE "+databaseName(i)+" OWNER "+benchUser)
		err = errors.Join(err, failed)
	}
	return err
}
