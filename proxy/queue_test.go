package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// waiting waits until so many clients wait for a server connection.
func (r *rig) waiting(n int) {
	r.t.Helper()
	testkit.Eventually(r.t, fmt.Sprint(n, " clients wait"), func() bool { return r.pool().ClientsWaiting == n })
}

// busy is a client that has the only server connection, in a transaction.
func (r *rig) busy() *pgx.Conn {
	r.t.Helper()
	conn := r.connect()
	exec(r.t, conn, "BEGIN")
	return conn
}

func TestQueueIsFirstInFirstOut(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE arrivals (at serial, who int)")
	first := r.busy()
	const n = 30
	var answers []<-chan error
	for i := range n {
		conn := r.connect()
		answers = append(answers, asking(conn, fmt.Sprint("INSERT INTO arrivals (who) VALUES (", i, ")")))
		r.waiting(i + 1)
	}
	exec(t, first, "COMMIT")
	for _, a := range answers {
		if err := soon(t, "everyone is served", a); err != nil {
			t.Error(err)
		}
	}
	rows, _ := direct.Query(t.Context(), "SELECT who FROM arrivals ORDER BY at")
	got, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil || len(got) != n || !slices.IsSorted(got) {
		t.Errorf("served in the order %v, %v", got, err)
	}
}

// Under load too, nobody overtakes who has waited longer. The queue itself is
// looked at, as clients and servers wait for a processor besides: of those who
// stood in it, those who still do must be the last ones, in front of whoever has
// come since. And no server connection may idle meanwhile, as it would go to
// somebody who has not queued.
func TestQueueIsFairUnderLoad(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 2})
	const clients, rounds = 20, 100
	var (
		mu     sync.Mutex
		queue  []proxy.Waiting
		served int // of those who stood in front of somebody who still waits
		wg     sync.WaitGroup
	)
	look := func() {
		mu.Lock()
		defer mu.Unlock()
		before := queue
		var idle int
		queue, idle = r.Queue()
		if idle > 0 && len(queue) > 0 {
			t.Errorf("%d server connections idle while %d clients wait", idle, len(queue))
		}
		stayed := 0
		for _, w := range queue {
			if slices.Contains(before, w) {
				stayed++
			}
		}
		left := len(before) - stayed
		if !slices.Equal(before[left:], queue[:stayed]) {
			t.Errorf("%d of %d have left the queue, and not the first ones", left, len(before))
		}
		if stayed > 0 {
			served += left
		}
	}
	for range clients {
		conn := r.connect()
		wg.Go(func() {
			for range rounds {
				if _, err := conn.Exec(context.Background(), "SELECT pg_sleep(0.0005)", pgx.QueryExecModeSimpleProtocol); err != nil {
					t.Error(err)
					return
				}
				look()
			}
		})
	}
	wg.Wait()
	if served == 0 {
		t.Error("nobody was served while somebody else waited")
	}
	t.Logf("%d were served while others who came later waited", served)
}

func TestWaitTimeoutSaysWhatIsFull(t *testing.T) {
	t.Parallel()
	wait := 2 * time.Second
	for name, c := range map[string]struct {
		cfg  proxy.Config
		full string
	}{
		"pool":   {proxy.Config{DefaultPoolSize: 1}, "All 1 server connections of the pool are in use, and 2 more clients wait."},
		"target": {proxy.Config{MaxTargetConnections: 1}, "All 1 server connections to the target are in use."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.cfg.QueryWaitTimeout = wait
			r := startPooled(t, c.cfg)
			conns := []*pgx.Conn{r.connect(), r.connect(), r.connect()}
			first := r.busy()
			var answers []<-chan error
			for i, conn := range conns {
				answers = append(answers, asking(conn, "SELECT 1"))
				r.waiting(i + 1)
			}
			began := time.Now()
			for i, a := range answers {
				e := wantCode(t, soon(t, "the wait ends", a), "53300", `"shop" became free within the proxy's wait timeout of 2s`)
				if i == 0 && e.Detail != c.full || e.Hint == "" || e.Severity != "ERROR" {
					t.Errorf("%+v", e)
				}
			}
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("took %s", took)
			}
			exec(t, first, "COMMIT")
			for _, conn := range conns { // they may go on
				if one[int](t, conn, "SELECT 5") != 5 {
					t.Error("wrong answer")
				}
			}
		})
	}
}

// A refused pipeline is answered as Postgres would: once for each sync.
func TestRefusedPipelineIsAnsweredForEachSync(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1, QueryWaitTimeout: 2 * time.Second})
	conn := r.connect()
	first := r.busy()
	pipeline := conn.PgConn().StartPipeline(t.Context())
	for range 3 {
		pipeline.SendQueryParams("SELECT 1", nil, nil, nil, nil)
		pipeline.SendQueryParams("SELECT 2", nil, nil, nil, nil)
		if err := pipeline.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := pipeline.Flush(); err != nil {
		t.Fatal(err)
	}
	refusals := 0
	for range 100 {
		result, err := pipeline.GetResults()
		if sqlstate(err) == "53300" {
			refusals++
		} else if err != nil {
			t.Fatal(err)
		} else if result == nil {
			break
		}
	}
	if err := pipeline.Close(); err != nil || refusals != 3 {
		t.Errorf("%d refusals, %v", refusals, err)
	}
	exec(t, first, "COMMIT")
	if one[int](t, conn, "SELECT 5") != 5 {
		t.Error("wrong answer")
	}
}

func TestMaxClientConnLimitsClients(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r := start(t, proxy.Config{PoolMode: mode, MaxClientConn: 2})
		r.connect()
		conn := r.connect()
		refused(t, r.url("shop", ""), "53300", "the proxy has its 2 clients already")
		conn.Close(t.Context())
		testkit.Eventually(t, "there is room again", func() bool { return r.Stats().Clients == 1 })
		r.connect()
	})
}

func TestCancelRemovesAQueuedRequest(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	conn := r.connect()
	first := r.busy()
	done := asking(conn, "INSERT INTO deeds VALUES (1)")
	r.waiting(1)
	if err := conn.PgConn().CancelRequest(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantCode(t, soon(t, "it is canceled", done), "57014", "canceling statement due to user request")
	if one[int](t, first, "SELECT 6") != 6 {
		t.Error("the other client was hit")
	}
	exec(t, first, "COMMIT")
	if one[int](t, conn, "SELECT 5") != 5 || one[int](t, direct, "SELECT count(*) FROM deeds") != 0 {
		t.Error("it was not canceled")
	}
}

func TestDrainRefusesQueuedRequests(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	conn := r.connect()
	first := r.busy()
	done := asking(conn, "INSERT INTO deeds VALUES (1)")
	r.waiting(1)
	ended := make(chan error, 1)
	go func() { ended <- r.Shutdown(context.Background()) }()
	wantCode(t, soon(t, "it is refused", done), "57P01", "shutting down")
	exec(t, first, "INSERT INTO deeds VALUES (2)")
	exec(t, first, "COMMIT")
	if err := soon(t, "the proxy ends", ended); err != nil {
		t.Error(err)
	}
	if got := one[int](t, direct, "SELECT sum(n) FROM deeds"); got != 2 {
		t.Errorf("%d was done", got)
	}
}

func TestPauseKeepsQueuedRequestsWaiting(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	conn, other := r.connect(), r.connect()
	first := r.busy()
	done := asking(conn, "SELECT 1")
	r.waiting(1)
	paused := make(chan error, 1)
	go func() { paused <- r.Pause(context.Background()) }()
	testkit.Eventually(t, "the pool is paused", func() bool { return r.pool().Paused })
	exec(t, first, "COMMIT")
	if err := soon(t, "the pause begins", paused); err != nil {
		t.Fatal(err)
	}
	second := asking(other, "SELECT 2")
	r.waiting(2)
	if p := r.pool(); p.ServersActive+p.ServersIdle+p.ServersConnecting+p.ServersResetting != 0 {
		t.Errorf("%+v", p)
	}
	if err := r.Resume(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []<-chan error{done, second} {
		if err := soon(t, "it is served after the pause", d); err != nil {
			t.Error(err)
		}
	}
}

// A pause ends even if the database cannot be reached.
func TestPauseEndsWhileLoginsFail(t *testing.T) {
	t.Parallel()
	name := newInstance(t)
	r := startPooled(t, proxy.Config{ServerConnectTimeout: 30 * time.Second, Targets: map[string]*lakebase.Connector{"shop": newConnector(t, name)}})
	conn := r.connect()
	if err := upstreamServer.StopTarget(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, "its connections are cut", func() bool { return r.pool().ServersIdle == 0 })
	done := asking(conn, "SELECT 1")
	testkit.Eventually(t, "a login is under way", func() bool { return r.pool().ServersConnecting == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := r.Pause(ctx); err != nil {
		t.Error(err)
	}
	wantCode(t, soon(t, "the client is told", done), "57P03", "")
}

// A client that leaves the queue loses its turn, and its request is not executed.
func TestRequestOfAClientThatLeftTheQueueIsNotExecuted(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	first := r.busy()
	for i, leave := range []func(*pgx.Conn){vanish, reset, vanish, reset} {
		conn := r.connect()
		done := asking(conn, fmt.Sprint("INSERT INTO deeds VALUES (", i, ")"))
		r.waiting(1)
		if i >= 2 { // the end comes behind what is not read yet
			write(t, conn, &pgproto3.Query{String: "INSERT INTO deeds VALUES (100)"})
		}
		leave(conn)
		<-done
		r.waiting(0)
	}
	exec(t, first, "COMMIT")
	if one[int](t, r.connect(), "SELECT count(*) FROM deeds") != 0 {
		t.Error("something was done for a client that is gone")
	}
	if p := r.settled(); p.Totals.ServerLogins != 1 {
		t.Errorf("%+v", p.Totals)
	}
}

// With more clients than can be served, some of which cancel or disconnect, each
// request is executed once or refused.
func TestQueueServesEachRequestOnce(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 2, QueryWaitTimeout: 10 * time.Second})
	exec(t, direct, "CREATE TABLE deeds (id bigint)")
	var mu sync.Mutex
	var certain, possible []int64
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(worker)))
			var conn *pgx.Conn
			for round := range 40 {
				if conn == nil || conn.IsClosed() {
					var err error
					if conn, err = pgx.Connect(context.Background(), r.url("shop", "")); err != nil {
						t.Error(err)
						return
					}
				}
				id := int64(worker)<<32 | int64(round)
				done := asking(conn, fmt.Sprintf("INSERT INTO deeds VALUES (%d); SELECT pg_sleep(0.003)", id))
				pause := time.Duration(random.IntN(40)) * time.Millisecond
				var err error
				switch random.IntN(4) {
				case 0:
					time.Sleep(pause)
					conn.PgConn().CancelRequest(context.Background())
					err = <-done
				case 1:
					time.Sleep(pause)
					vanish(conn)
					err = <-done
				default:
					err = <-done
				}
				mu.Lock()
				switch code := sqlstate(err); {
				case err == nil:
					certain = append(certain, id)
				case code == "57014": // rolled back
				case len(code) == 5:
					t.Errorf("worker %d, round %d: %v", worker, round, err)
				default:
					possible = append(possible, id)
				}
				mu.Unlock()
			}
			if conn != nil {
				conn.Close(context.Background())
			}
		})
	}
	wg.Wait()
	r.settled()
	rows, _ := direct.Query(t.Context(), "SELECT id FROM deeds ORDER BY id")
	done, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		t.Fatal(err)
	}
	if unique := slices.Compact(slices.Clone(done)); len(unique) != len(done) {
		t.Errorf("%d were done twice", len(done)-len(unique))
	}
	for _, id := range certain {
		if !slices.Contains(done, id) {
			t.Errorf("%d was not done", id)
		}
	}
	for _, id := range done {
		if !slices.Contains(certain, id) && !slices.Contains(possible, id) {
			t.Errorf("%d was done, though its client was told otherwise", id)
		}
	}
}

// A client that sends Terminate with its request is served although it has closed
// its side.
func TestQueuedRequestBeforeTerminateIsExecuted(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	raw := r.dial()
	login(t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
	first := r.busy()
	out, _ := (&pgproto3.Query{String: "INSERT INTO deeds VALUES (1)"}).Encode(nil)
	out, _ = (&pgproto3.Terminate{}).Encode(out)
	raw.Write(out)
	raw.(*net.TCPConn).CloseWrite()
	r.waiting(1)
	exec(t, first, "SELECT pg_sleep(1.5)")
	exec(t, first, "COMMIT")
	testkit.Eventually(t, "it is done", func() bool { return one[int](t, direct, "SELECT count(*) FROM deeds") == 1 })
}

// Requests that are queued at a forced shutdown are not executed.
func TestForcedShutdownDropsQueuedRequests(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE deeds (n int)")
	conn := r.connect()
	first := r.busy()
	working := asking(first, "INSERT INTO deeds VALUES (2); SELECT pg_sleep(60) -- forced")
	runs(t, direct, "-- forced")
	done := asking(conn, "INSERT INTO deeds VALUES (1)")
	r.waiting(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	if err := r.Shutdown(ctx); !errors.Is(err, context.Canceled) || time.Since(began) > 8*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	for _, d := range []<-chan error{done, working} {
		if err := soon(t, "it is told", d); sqlstate(err) != "57P01" {
			t.Error(err)
		}
	}
	stopped(t, direct, "-- forced")
	if one[int](t, direct, "SELECT count(*) FROM deeds") != 0 {
		t.Error("something was done")
	}
	if strings.Contains(r.log.String(), "panic") {
		t.Error(r.log.String())
	}
}
