package interop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// numberJob is a job with a number.
type numberJob struct{ N int }

func (numberJob) Kind() string { return "number" }

// numberWorker notes numbers.
type numberWorker struct {
	river.WorkerDefaults[numberJob]
	pool *pgxpool.Pool
	done chan int
}

func (w *numberWorker) Work(ctx context.Context, job *river.Job[numberJob]) error {
	err := pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "insert into noted values ($1)", job.Args.N); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
	if err == nil {
		w.done <- job.Args.N
	}
	return err
}

// Each of River's jobs is done once. It polls so seldom that LISTEN has to wake it.
func TestRiver(t *testing.T) {
	t.Parallel()
	record(t, "River", moduleVersion(t, "github.com/riverqueue/river"), "migrations, jobs found by LISTEN: by the proxy as directly")
	v := startSmallProxy(t, 3) // one is the listener's
	for _, way := range []string{"direct", "proxied"} {
		t.Run(way, func(t *testing.T) {
			database := createDatabase(t, "river_"+way)
			config := past(t).Config()
			if way == "proxied" {
				v.crowd(t, database)
				var err error
				if config, err = pgx.ParseConfig(v.dsn()); err != nil {
					t.Fatal(err)
				}
			}
			config.Database, config.OnNotification = database, nil // not the connection's that it is from
			doJobs(t, config)
		})
	}
}

func doJobs(t *testing.T, config *pgx.ConnConfig) {
	const jobs = 60
	ctx, cancel := context.WithTimeout(t.Context(), programTimeout)
	defer cancel()
	poolConfig, err := pgxpool.ParseConfig("")
	if err != nil {
		t.Fatal(err)
	}
	poolConfig.ConnConfig, poolConfig.MaxConns = config, 8
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "create table noted (n int)"); err != nil {
		t.Fatal(err)
	}
	worker := &numberWorker{pool: pool, done: make(chan int, jobs)}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	client, err := river.NewClient(driver, &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 5}}, Workers: workers,
		FetchPollInterval: time.Hour, FetchCooldown: 10 * time.Millisecond, Logger: discardLog(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer client.StopAndCancel(context.Background())
	got := map[int]int{}
	for n := 0; n < jobs; {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { // of no use before it is committed
			for range 20 {
				if _, err := client.InsertTx(ctx, tx, numberJob{n}, nil); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for len(got) < n {
			select {
			case one := <-worker.done:
				got[one]++
			case <-ctx.Done():
				t.Fatalf("%d of %d jobs are done: %v", len(got), n, slices.Sorted(maps.Keys(got)))
			}
		}
	}
	if err := client.Stop(ctx); err != nil {
		t.Error(err)
	}
	var noted, different, completed int
	if err := pool.QueryRow(ctx, "select count(*), count(distinct n), (select count(*) from river_job where state = 'completed') from noted").Scan(&noted, &different, &completed); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(noted, different, completed) != fmt.Sprint(jobs, jobs, jobs) {
		t.Errorf("%d jobs: %d noted, %d different ones, %d completed", jobs, noted, different, completed)
	}
}
