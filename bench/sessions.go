package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// connectAndAsk connects, reads one row and disconnects.
func connectAndAsk(ctx context.Context, cfg *pgconn.Config) error {
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "SELECT 1").ReadAll()
	return errors.Join(err, conn.Close(ctx))
}

// firstRow compares a new client connection through p with a direct login.
func (b *proxyBench) firstRow(ctx context.Context) ([]row, error) {
	way := func(url string) (func() (float64, error), error) {
		cfg, err := pgconn.ParseConfig(url)
		return func() (float64, error) {
			n, began := 0, time.Now()
			for ; n == 0 || time.Since(began) < b.span; n++ {
				if err := connectAndAsk(ctx, cfg); err != nil {
					return 0, err
				}
			}
			return ms(time.Since(began)) / float64(n), nil
		}, err
	}
	var rows []row
	ours, err := way(b.ours.url())
	if err != nil {
		return nil, err
	}
	most := math.Inf(1)
	if b.before {
		most = 1 / noSlower
	}
	for _, peer := range []struct {
		name, url string
		target    float64
	}{{"a TLS login without a proxy", b.upstream.url(), 0.1}, {"the same through " + b.other.name, b.other.url(), most}} {
		other, err := way(peer.url)
		if err != nil {
			return nil, err
		}
		if _, err := ours(); err != nil { // warm
			return nil, err
		}
		o, p, err := alternate(b.rounds, ours, other)
		if err != nil {
			return nil, err
		}
		r := ratioRow(o, p, "%.3f ms")
		r.Group, r.What = groupOther, "new client connection to first row, one after another / "+peer.name
		r.Met = r.ratio <= peer.target
		if !math.IsInf(peer.target, 1) {
			r.Target = fmt.Sprintf("at most %.2f", peer.target)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// copyOut compares the time for reading the accounts by COPY.
func (b *proxyBench) copyOut(ctx context.Context) ([]row, error) {
	way := func(p *peer) (func() (float64, error), func(), error) {
		conn, err := pgconn.Connect(ctx, p.url())
		if err != nil {
			return nil, nil, err
		}
		hijacked, err := conn.Hijack()
		if err != nil {
			return nil, nil, err
		}
		return func() (float64, error) {
			n, began := 0, time.Now()
			for time.Since(began) < b.span {
				some, err := readAnswer(hijacked.Conn, pgwire.AppendQuery(nil, "COPY pgbench_accounts TO STDOUT"))
				if err != nil {
					return 0, fmt.Errorf("COPY through %s: %w", p.name, err)
				}
				n += some
			}
			return float64(n) / 1e6 / time.Since(began).Seconds(), nil
		}, func() { hijacked.Conn.Close() }, nil
	}
	ours, done, err := way(b.ours)
	if err != nil {
		return nil, err
	}
	defer done()
	other, done, err := way(b.other)
	if err != nil {
		return nil, err
	}
	defer done()
	o, p, err := alternate(b.rounds, ours, other)
	if err != nil {
		return nil, err
	}
	r := ratioRow(o, p, "%.0f MB/s")
	r.Group, r.What = groupOther, "bulk COPY OUT / through "+b.other.name
	least := 1.1
	if b.before {
		least = noSlower
	}
	r.Target, r.Met = fmt.Sprintf("at least %.2f", least), r.ratio >= least
	return []row{r}, nil
}

// readAnswer runs a query and returns the number of bytes of the reply. It only
// finds the end of the reply, so that its own cost is small.
func readAnswer(conn net.Conn, ask []byte) (n int, err error) {
	if _, err := conn.Write(ask); err != nil {
		return 0, err
	}
	scanner := pgwire.Scanner{Direction: pgwire.FromServer}
	buffer := make([]byte, 64<<10)
	for {
		some, err := conn.Read(buffer)
		n += some
		for chunk := buffer[:some]; len(chunk) > 0; {
			span, err := scanner.Next(chunk)
			if err != nil {
				return n, err
			}
			chunk = chunk[span.Size:]
			switch {
			case span.First() && pgwire.ServerType(span.Type) == pgwire.ServerErrorResponse:
				return n, errors.New("the server reports an error")
			case span.Last() && pgwire.ServerType(span.Type) == pgwire.ServerReadyForQuery:
				return n, nil
			}
		}
		if err != nil {
			return n, err
		}
	}
}

// idleMemory compares the memory of a client that is idle after a query.
func (b *proxyBench) idleMemory(ctx context.Context) ([]row, error) {
	limit, err := raiseFileLimit(2 * maxClients)
	if err != nil {
		return nil, err
	}
	n := min(10_000, int(limit)-500)
	if b.isShort() {
		n = min(n, 500)
	}
	var kib []float64
	err = b.fresh(ctx, func(p *peer) error {
		each, err := idleCost(ctx, p, n)
		kib = append(kib, each)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := ratioRow(kib[:1], kib[1:], "%.2f KiB")
	r.Group, r.What = groupOther, "memory of the proxy for each of "+counted(n, "idle client")+" / "+b.other.name
	r.Spread, r.Target, r.Met = "", "at most 1.5 KiB", kib[0] <= 1.5
	return []row{r}, nil
}

// settledMemory waits until a process has returned free memory, which it may do
// in steps.
func settledMemory(pid int) (int64, error) {
	const patience, limit = 12 * time.Second, 60 * time.Second
	least, err := residentMemory(pid)
	for began, since := time.Now(), time.Now(); err == nil && time.Since(since) < patience && time.Since(began) < limit; {
		time.Sleep(100 * time.Millisecond)
		var now int64
		if now, err = residentMemory(pid); now < least*99/100 {
			least, since = now, time.Now()
		}
	}
	return least, err
}

// idleCost is the memory of each of n clients in KiB.
func idleCost(ctx context.Context, p *peer, n int) (float64, error) {
	clients, closeAll, err := idleClients(ctx, p, 2*poolSize) // so that the pool is full
	defer closeAll()
	if err != nil {
		return 0, err
	}
	before, err := residentMemory(p.pid())
	if err != nil {
		return 0, err
	}
	clients, closeMore, err := idleClients(ctx, p, n)
	defer closeMore()
	if err != nil {
		return 0, fmt.Errorf("%d clients through %s: %w", clients, p.name, err)
	}
	after, err := settledMemory(p.pid())
	return float64(after-before) / 1024 / float64(n), err
}

// idleClients connects n clients, 50 at a time, which run one query each.
func idleClients(ctx context.Context, p *peer, n int) (opened int, closeAll func(), err error) {
	var mu sync.Mutex
	var conns []io.Closer
	closeAll = func() {
		for _, c := range conns {
			c.Close()
		}
	}
	cfg, err := pgconn.ParseConfig(p.url())
	if err != nil {
		return 0, closeAll, err
	}
	var wg sync.WaitGroup
	places := make(chan bool, 50)
	for range n {
		places <- true
		wg.Go(func() {
			defer func() { <-places }()
			conn, failed := idleClient(ctx, cfg)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil {
				err = errors.Join(err, failed)
				return
			}
			conns = append(conns, conn)
		})
	}
	wg.Wait()
	return len(conns), closeAll, err
}

func idleClient(ctx context.Context, cfg *pgconn.Config) (net.Conn, error) {
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SELECT 1").ReadAll(); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	hijacked, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	return hijacked.Conn, nil
}
