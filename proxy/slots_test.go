package proxy_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/proxy"
)

// seeking waits until so many clients wait for a session.
func (r *rig) seeking(n int) {
	r.t.Helper()
	testkit.Eventually(r.t, fmt.Sprint(n, " clients wait for a session"), func() bool {
		return r.poolIn(proxy.SessionMode).ClientsWaiting == n
	})
}

type dialed struct {
	conn *pgx.Conn
	err  error
}

// dialing logs in to url, which may take its time.
func dialing(t testing.TB, url string) <-chan dialed {
	done := make(chan dialed, 1)
	go func() {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			t.Cleanup(func() { conn.Close(context.Background()) })
		}
		done <- dialed{conn, err}
	}()
	return done
}

func TestSessionsGetSlotsInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1})
	holder := r.connect()
	var next []<-chan dialed
	for i := range 3 {
		next = append(next, dialing(t, r.url("shop", "")))
		r.seeking(i + 1)
	}
	if p := r.poolIn(proxy.SessionMode); p.OldestWait <= 0 || p.ClientsActive != 1 || p.ServersActive != 1 {
		t.Errorf("the sessions are %+v", p)
	}
	console := r.console()
	_, rows := rowsOf(t, console, "SHOW POOLS")
	if p := only(t, rows, "database", "shop"); p["cl_waiting"] != int64(3) || p["cl_active"] != int64(1) {
		t.Errorf("SHOW POOLS has %v", p)
	}
	waiting := 0
	for _, c := range r.Clients() {
		if c.State == "waiting" {
			waiting++
			if c.Target != "shop" || c.Database != "shop" || c.Waiting <= 0 || c.User != "anyone" {
				t.Errorf("one that waits is %+v", c)
			}
		}
	}
	if waiting != 3 {
		t.Errorf("%d clients wait: %+v", waiting, r.Clients())
	}
	for i, n := range next {
		holder.Close(t.Context())
		got := soon(t, "the next one gets in", n)
		if got.err != nil {
			t.Fatal(got.err)
		}
		holder = got.conn
		r.seeking(len(next) - 1 - i)
		for j, other := range next[i+1:] {
			select {
			case got := <-other:
				t.Fatalf("number %d got in before its turn, %v", i+1+j, got.err)
			default:
			}
		}
	}
	if n := one[int](t, holder, "SELECT 1"); n != 1 {
		t.Error(n)
	}
}

// A client that stops waiting leaves the queue and does not block those behind
// it.
func TestSessionThatStopsWaitingFreesItsTurn(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1})
	holder := r.connect()
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() {
		_, err := pgx.Connect(ctx, r.url("shop", ""))
		gaveUp <- err
	}()
	r.seeking(1)
	behind := dialing(t, r.url("shop", ""))
	r.seeking(2)
	cancel()
	if err := soon(t, "it gives up", gaveUp); err == nil {
		t.Error("it got in")
	}
	r.seeking(1)
	holder.Close(t.Context())
	if got := soon(t, "who is behind gets in", behind); got.err != nil {
		t.Error(got.err)
	}
}

func TestSessionThatWaitsGetsANotice(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1})
	holder := r.connect()
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "me", "database": "shop"}})
	if err := front.Flush(); err != nil {
		t.Fatal(err)
	}
	if m, err := front.Receive(); err != nil {
		t.Fatal(err)
	} else if _, ok := m.(*pgproto3.AuthenticationOk); !ok {
		t.Fatalf("%#v", m)
	}
	m, err := front.Receive()
	if notice, ok := m.(*pgproto3.NoticeResponse); err != nil || !ok || notice.Message != "waiting for one of the 1 server connections to shop" {
		t.Errorf("%#v, %v", m, err)
	}
	holder.Close(t.Context())
	for {
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*pgproto3.ReadyForQuery); ok {
			break
		}
	}
	front.Send(&pgproto3.Terminate{})
	if err := front.Flush(); err != nil {
		t.Error(err)
	}
}

func TestShutdownRefusesWaitingSessions(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1})
	holder := r.connect()
	exec(t, holder, "BEGIN")
	waits := dialing(t, r.url("shop", ""))
	r.seeking(1)
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	wantCode(t, soon(t, "who waits is told", waits).err, "57P01", "shutting down")
	exec(t, holder, "COMMIT")
	if err := soon(t, "the proxy ends", ended); err != nil {
		t.Error(err)
	}
}

func TestRaisedLimitServesWaitingSessions(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 1, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
	r := start(t, cfg)
	r.connect()
	waits := dialing(t, r.url("shop", ""))
	r.seeking(1)
	cfg.MaxTargetConnections = 2
	r.reload(cfg)
	if got := soon(t, "it gets in", waits); got.err != nil {
		t.Error(got.err)
	}
}

// In transaction mode, a client that replicates gets the slot of an idle server
// connection of a pool.
func TestReplicationTakesTheSlotOfAnIdleServerConnection(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{MaxTargetConnections: 1, QueryWaitTimeout: 20 * time.Second,
		Targets: map[string]*lakebase.Connector{"shop": newConnector(t, testpostgres.Start(t).ConnInfo()+" dbname=postgres")}})
	exec(t, r.connect(), "SELECT 1")
	raw := r.dial()
	front := pgproto3.NewFrontend(raw, raw)
	login(t, front, map[string]string{"user": "me", "database": "shop", "replication": "database"})
	front.Send(&pgproto3.Terminate{})
	if err := front.Flush(); err != nil {
		t.Error(err)
	}
}

// No waiting client is forgotten and no slot lost while clients connect, give up
// and vanish, and the limit changes.
func TestNoSlotIsLostUnderLoad(t *testing.T) {
	t.Parallel()
	cfg := proxy.Config{PoolMode: proxy.SessionMode, MaxTargetConnections: 3, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, "my-instance")}}
	r := start(t, cfg)
	var served, gaveUp atomic.Int64
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(2611, uint64(i)))
			for range 12 {
				patience, impatient := time.Minute, random.IntN(3) == 0
				if impatient {
					patience = time.Duration(random.IntN(int(60 * time.Millisecond)))
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				conn, err := pgx.Connect(ctx, r.url("shop", ""))
				switch {
				case err == nil && random.IntN(2) == 0:
					conn.PgConn().Conn().Close() // without a goodbye
					served.Add(1)
				case err == nil:
					conn.Close(t.Context())
					served.Add(1)
				case impatient:
					gaveUp.Add(1)
				default:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	done := make(chan struct{})
	go func() { clients.Wait(); close(done) }()
	for i := 0; ; i++ {
		select {
		case <-done:
			if served.Load() == 0 || gaveUp.Load() == 0 {
				t.Errorf("%d served, %d gave up", served.Load(), gaveUp.Load())
			}
			testkit.Eventually(t, "all places are free", func() bool { return r.Stats().ServerConns["shop"] == 0 })
			return
		case <-time.After(50 * time.Millisecond):
			if n := r.Stats().ServerConns["shop"]; n > 3 {
				t.Errorf("%d server connections, of 3", n)
			}
			cfg.MaxTargetConnections = 1 + i%3
			r.reload(cfg)
		}
	}
}
