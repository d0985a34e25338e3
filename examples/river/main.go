// Command river enqueues jobs in the transaction that they belong to, and works them.
// River's driver for pgx wakes workers by LISTEN, on a connection of the pool that it
// keeps; through a pooler in transaction mode that connection would be pinned.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// Measure is a job: to measure the depth of a lake.
type Measure struct{ Lake string }

// Kind names the job in its table.
func (Measure) Kind() string { return "measure" }

// Worker works jobs of kind Measure.
type Worker struct {
	river.WorkerDefaults[Measure]
	pool *pgxpool.Pool
}

// Work sets the depth and completes the job in one transaction, so that it is done once.
func (w *Worker) Work(ctx context.Context, job *river.Job[Measure]) error {
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE lakes SET depth_m = 100 * length(name) WHERE name = $1", job.Args.Lake); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	pool, err := lakebase.NewPool(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer pool.Close()
	driver := riverpgxv5.New(pool)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	if _, err := pool.Exec(ctx, "CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int)"); err != nil {
		return err
	}

	workers := river.NewWorkers()
	river.AddWorker(workers, &Worker{pool: pool})
	client, err := river.NewClient(driver, &river.Config{
		Queues:            map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 4}},
		Workers:           workers,
		FetchPollInterval: time.Hour, // it is woken by LISTEN
	})
	if err != nil {
		return err
	}
	completed, unsubscribe := client.Subscribe(river.EventKindJobCompleted)
	defer unsubscribe()
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer client.StopAndCancel(context.WithoutCancel(ctx))

	names := []string{"Baikal", "Tanganyika", "Geneva"}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { // the lakes and their jobs, or neither
		for _, name := range names {
			if _, err := tx.Exec(ctx, "INSERT INTO lakes VALUES ($1) ON CONFLICT DO NOTHING", name); err != nil {
				return err
			}
			if _, err := client.InsertTx(ctx, tx, Measure{name}, nil); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for range names {
		select {
		case <-completed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var measured int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM lakes WHERE depth_m = 100 * length(name)").Scan(&measured); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d lakes measured\n", measured)
	return err
}
