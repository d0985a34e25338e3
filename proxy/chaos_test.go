package proxy_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// Many clients do whatever a client can do over few server connections, each
// with a model of what Postgres must answer, while servers are killed, clients
// vanish and requests are canceled. No client may ever see a trace of another
// one, and no statement may get lost or run twice without an error.
//
// It runs for a few seconds with a seed of its own, which it prints. For a long
// run, or the run that failed:
//
//	make chaos CHAOS=1h CHAOS_SEED=7
//
// The interleaving of the clients is not part of the seed.
func TestNeverWrong(t *testing.T) {
	t.Parallel()
	duration, seed := testkit.Chaos(t, 4*time.Second)
	w := newChaos(t, seed)
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 14 {
		wg.Go(func() { w.client(ctx, i) })
	}
	wg.Go(func() { w.misfortune(ctx) })
	wg.Wait()
	w.judge()
}

const chaosPool = 4

// chaos is what the clients share.
type chaos struct {
	t       *testing.T
	r       *rig
	direct  *pgx.Conn // for the preparation and the judgement
	unlucky *pgx.Conn // for misfortune
	seed    uint64
	dates   map[[2]string]string // how a moment looks, by TimeZone and DateStyle
	ids     atomic.Int64
	failed  atomic.Bool

	kills, killed atomic.Int64 // of servers: begun, and over in every respect
	done          counts

	mu       sync.Mutex
	certain  map[int64]bool // ids that are in the ledger
	possible map[int64]bool // that may be
	lockers  map[int]*visit
	hearers  map[string]map[*visit]int64 // by channel: since which number
}

// counts tell whether the chaos was one.
type counts struct {
	visits, steps, deaths, cancels, errors, notices, pins atomic.Int64
}

func newChaos(t *testing.T, seed uint64) *chaos {
	connector := newConnector(t, newInstance(t))
	direct := connectTo(t, connector)
	w := &chaos{
		t: t, direct: direct, unlucky: connectTo(t, connector), seed: seed, dates: map[[2]string]string{},
		certain: map[int64]bool{}, possible: map[int64]bool{}, lockers: map[int]*visit{}, hearers: map[string]map[*visit]int64{},
	}
	exec(t, direct, "CREATE TABLE ledger (id bigint, who text); CREATE SEQUENCE numbers; GRANT USAGE ON SCHEMA public TO public")
	for _, s := range chaosSettings {
		exec(t, direct, fmt.Sprintf("CREATE FUNCTION public.%s(value text, is_local bool) RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN set_config('%s', value, is_local); END$$", s.adjuster(), s.name))
	}
	exec(t, direct, "CREATE FUNCTION public.note(name text, tag text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE format('CREATE TEMP TABLE %I AS SELECT %L::text AS v', name, tag); END$$")
	exec(t, direct, "CREATE FUNCTION public.try(lock int) RETURNS bool LANGUAGE sql AS 'SELECT pg_try_advisory_lock(lock)'")
	exec(t, direct, "CREATE FUNCTION public.hear(channel text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE 'LISTEN ' || channel; END$$")
	for i := range 4 {
		schema := fmt.Sprint("s", i)
		exec(t, direct, fmt.Sprintf("CREATE SCHEMA %[1]s; CREATE TABLE %[1]s.place AS SELECT '%[1]s'::text AS name", schema))
	}
	for _, role := range settingNamed("role").values {
		exec(t, direct, fmt.Sprintf("CREATE ROLE %[1]s IN ROLE pg_read_all_data; GRANT %[1]s TO CURRENT_USER", role))
		exec(t, direct, fmt.Sprintf("GRANT ALL ON ALL TABLES IN SCHEMA public TO %[1]s; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO %[1]s; GRANT TEMP ON DATABASE databricks_postgres TO %[1]s", role))
		for i := range 4 {
			exec(t, direct, fmt.Sprintf("GRANT USAGE ON SCHEMA s%d TO %s; GRANT SELECT ON ALL TABLES IN SCHEMA s%d TO %s", i, role, i, role))
		}
	}
	for _, zone := range append(settingNamed("TimeZone").values, settingNamed("TimeZone").initial) {
		for _, style := range append(settingNamed("DateStyle").values, settingNamed("DateStyle").initial) {
			exec(t, direct, fmt.Sprintf("SET TimeZone = '%s'; SET DateStyle = '%s'", zone, style))
			w.dates[[2]string{zone, style}] = one[string](t, direct, "SELECT '2024-02-03 12:00+00'::timestamptz::text")
		}
	}
	exec(t, direct, "RESET ALL")
	w.r = startPooled(t, proxy.Config{
		DefaultPoolSize: chaosPool, MaxPreparedStatements: 5, ServerLifetime: 3 * time.Second, QueryWaitTimeout: time.Minute,
		Targets: map[string]*lakebase.Connector{"shop": connector},
	})
	return w
}

// client has one client after the other, until ctx ends.
func (w *chaos) client(ctx context.Context, i int) {
	random := rand.New(rand.NewPCG(w.seed, uint64(i)))
	for n := 0; ctx.Err() == nil && !w.failed.Load(); n++ {
		w.done.visits.Add(1)
		v := w.visit(random, fmt.Sprintf("%d.%d", i, n))
		if v == nil {
			continue
		}
		steps := 1 + random.IntN(60)
		for step := 0; (step < steps || v.status != 'I') && v.alive() && !w.failed.Load(); step++ {
			if ctx.Err() != nil && v.status == 'I' {
				break
			}
			v.step()
			w.done.steps.Add(1)
		}
		v.end()
	}
}

// misfortune kills servers and replaces them, until ctx ends.
func (w *chaos) misfortune(ctx context.Context) {
	random := rand.New(rand.NewPCG(w.seed, 1<<32))
	for ctx.Err() == nil && !w.failed.Load() {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(100+random.IntN(1500)) * time.Millisecond):
		}
		switch random.IntN(8) {
		case 0:
			if err := w.r.Reconnect(); err != nil {
				w.wrong("reconnect: %v", err)
			}
		case 1:
			w.kill(random, chaosPool)
		case 2:
			w.pause(time.Duration(random.IntN(200)) * time.Millisecond)
		default:
			w.kill(random, 1)
		}
	}
}

// pause has everyone wait, for so long at most.
func (w *chaos) pause(limit time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := w.r.Pause(ctx); err != nil && ctx.Err() == nil {
		w.wrong("pause: %v", err)
	}
	if err := w.r.Resume(); err != nil {
		w.wrong("resume: %v", err)
	}
}

// kill ends so many servers at most.
func (w *chaos) kill(random *rand.Rand, n int) {
	pids := w.r.pids()
	random.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
	pids = pids[:min(n, len(pids))]
	w.kills.Add(int64(len(pids))) // before anybody can notice
	if _, err := w.unlucky.Exec(context.Background(), "SELECT pg_terminate_backend(pid, 5000) FROM unnest($1::int[]) pid", pids); err != nil {
		w.wrong("cannot kill: %v", err)
	}
	time.AfterFunc(rumor, func() { w.killed.Add(int64(len(pids))) })
}

// rumor is how long the proxy may take to hear that a server has ended. Who
// asks until then is right to get an error.
const rumor = 300 * time.Millisecond

// wrong is what must not be.
func (w *chaos) wrong(format string, args ...any) {
	w.t.Helper()
	w.failed.Store(true)
	w.t.Errorf(format, args...)
}

// judge compares what the clients were told with what is there.
func (w *chaos) judge() {
	w.r.settled()
	rows, _ := w.direct.Query(context.Background(), "SELECT id, count(*) FROM ledger GROUP BY id")
	there := map[int64]int{}
	var id int64
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&id, &n}, func() error { there[id] = n; return nil }); err != nil {
		w.t.Fatal(err)
	}
	for id, n := range there {
		if n > 1 {
			w.t.Errorf("%d was inserted %d times", id, n)
		}
		if !w.certain[id] && !w.possible[id] {
			w.t.Errorf("%d was inserted, though its client was told otherwise", id)
		}
	}
	for id := range w.certain {
		if there[id] == 0 {
			w.t.Errorf("%d was not inserted, though its client was told so", id)
		}
	}
	for what, sql := range map[string]string{
		"locks":            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
		"temporary tables": "SELECT count(*) FROM pg_class WHERE relpersistence = 't'",
		"transactions":     "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND pid <> pg_backend_pid()",
	} {
		testkit.Eventually(w.t, what+" are gone", func() bool { return one[int](w.t, w.direct, sql) == 0 })
	}
	d := &w.done
	w.t.Logf("%d clients, %d steps, %d errors, %d canceled, %d notifications, %d steps pinned; %d servers killed, which %d clients noticed",
		d.visits.Load(), d.steps.Load(), d.errors.Load(), d.cancels.Load(), d.notices.Load(), d.pins.Load(), w.kills.Load(), d.deaths.Load())
	if p := w.r.pool(); p.ClientsIdle+p.ClientsActive != 0 {
		w.t.Errorf("%+v", p)
	}
	if d.steps.Load() < 2000 {
		return // a busy machine
	}
	if len(w.certain) == 0 || d.deaths.Load() == 0 || d.cancels.Load() == 0 {
		w.t.Error("this was not much of a chaos")
	}
}

// ledger notes what has become of inserted rows.
func (w *chaos) ledger(into map[int64]bool, ids ...int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		into[id] = true
	}
}

// listen and unlisten note who certainly hears a channel.
func (w *chaos) listen(v *visit, channel string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hearers[channel] == nil {
		w.hearers[channel] = map[*visit]int64{}
	}
	if w.hearers[channel][v] == 0 {
		w.hearers[channel][v] = w.ids.Add(1)
	}
}

func (w *chaos) unlisten(v *visit, channels ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, channel := range channels {
		delete(w.hearers[channel], v)
	}
}

func (w *chaos) listeners(channel string) map[*visit]int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.hearers[channel])
}

// quoted is a literal whatever standard_conforming_strings is.
func quoted(s string) string {
	return "E'" + strings.NewReplacer(`'`, `''`, `\`, `\\`).Replace(s) + "'"
}
