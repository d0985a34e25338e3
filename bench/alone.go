package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/quantile"
)

// alone measures the proxies with as little as possible beside them: clients that repeat
// one message, and a server that repeats one answer. Ours runs with one processor for
// Go code and with two; PgBouncer has one thread.
func (b *proxyBench) alone(ctx context.Context) (rows []row, err error) {
	repeater, behind, err := startRepeater(b.upstream, filepath.Join(b.dir, "data"))
	if err != nil {
		return nil, err
	}
	defer repeater.close()
	other, err := b.startOtherBefore(ctx, behind)
	if err != nil {
		return nil, err
	}
	defer other.stop()
	for _, processors := range []int{1, 2} {
		ours, err := b.programs.startOurs(behind, "GOMAXPROCS="+strconv.Itoa(processors))
		if err != nil {
			return nil, err
		}
		defer ours.stop()
		for _, protocol := range []string{"simple", "prepared"} {
			if protocol == "prepared" && !b.programs.prepared {
				continue
			}
			o, p, err := alternate(b.rounds,
				func() (cost, error) { return b.repeat(ctx, ours, protocol) },
				func() (cost, error) { return b.repeat(ctx, other, protocol) })
			if err != nil {
				return nil, err
			}
			what := fmt.Sprintf("%s, %d clients, GOMAXPROCS=%d", protocol, aloneClients, processors)
			for _, measure := range []struct {
				name, format string
				of           func(cost) float64
			}{
				{"queries a second", "%.0f", func(c cost) float64 { return c.perSecond }},
				{"processor time, s for a million queries", "%.1f", func(c cost) float64 { return c.cpu }},
				{"99th percentile, ms", "%.2f", func(c cost) float64 { return ms(c.p99) }},
			} {
				r := ratioRow(each(o, measure.of), each(p, measure.of), measure.format)
				r.Group, r.What, r.Met = groupAlone, what+": "+measure.name, true
				rows = append(rows, r)
			}
		}
	}
	return rows, nil
}

const aloneClients = 32

// repeat is one measurement of p.
func (b *proxyBench) repeat(ctx context.Context, p *peer, protocol string) (cost, error) {
	first, again, err := messages(protocol)
	if err != nil {
		return cost{}, err
	}
	var clients []net.Conn
	defer func() {
		for _, c := range clients {
			c.Close()
		}
	}()
	for range aloneClients {
		c, err := talkative(ctx, p, first)
		if err != nil {
			return cost{}, fmt.Errorf("%s: %w", p.name, err)
		}
		clients = append(clients, c)
	}
	before, err := processorTime(p.pid())
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	var over atomic.Bool
	stop := time.AfterFunc(b.span, func() { over.Store(true) })
	defer stop.Stop()
	var group sync.WaitGroup
	times, failures := make([][]time.Duration, aloneClients), make([]error, aloneClients)
	for i, c := range clients {
		group.Go(func() { times[i], failures[i] = repeatUntil(c, again, &over) })
	}
	group.Wait()
	took := time.Since(began)
	after, err := processorTime(p.pid())
	if err := errors.Join(append(failures, err)...); err != nil {
		return cost{}, fmt.Errorf("%s: %w", p.name, err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return cost{
		perSecond: float64(len(all)) / took.Seconds(), cpu: (after - before).Seconds() / float64(len(all)) * 1e6,
		p50: quantile.Of(all, 0.50), p99: quantile.Of(all, 0.99),
	}, nil
}

// messages returns what a client sends once, and again and again.
func messages(protocol string) (first, again []byte, err error) {
	query := "select '" + repeated + "'"
	encode := func(messages ...pgproto3.FrontendMessage) (out []byte) {
		for _, m := range messages {
			var failed error
			out, failed = m.Encode(out)
			err = errors.Join(err, failed)
		}
		return out
	}
	if protocol == "simple" {
		again = encode(&pgproto3.Query{String: query})
		return again, again, err
	}
	first = encode(&pgproto3.Parse{Name: "s", Query: "select $1::text"}, &pgproto3.Sync{})
	again = encode(&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte(repeated)}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	return first, again, err
}

// talkative returns a connection to p that has sent first and read its answer.
func talkative(ctx context.Context, p *peer, first []byte) (net.Conn, error) {
	cfg, err := pgconn.ParseConfig(p.url())
	if err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	h, err := conn.Hijack()
	if err != nil {
		return nil, err
	}
	_, err = ask(h.Conn, first)
	return h.Conn, err
}

// ask sends a question and reads its answer.
func ask(c net.Conn, question []byte) (answer []byte, err error) {
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	buffer := make([]byte, 4<<10)
	for !isComplete(answer) {
		n, err := c.Read(buffer)
		if err != nil {
			return nil, err
		}
		answer = append(answer, buffer[:n]...)
	}
	if answer[0] == 'E' {
		return nil, fmt.Errorf("answer %q", answer)
	}
	return answer, nil
}

// repeatUntil repeats a question until over, and returns how long each answer took.
func repeatUntil(c net.Conn, question []byte, over *atomic.Bool) (times []time.Duration, err error) {
	answer, err := ask(c, question)
	if err != nil {
		return nil, err
	}
	for sent := time.Now(); !over.Load(); sent = time.Now() {
		if _, err := c.Write(question); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			return nil, err
		}
		times = append(times, time.Since(sent))
	}
	return times, nil
}
