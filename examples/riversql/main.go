// Command riversql uses River with database/sql, for programs whose ORM has a *sql.DB.
// That driver has no LISTEN, so that workers poll: an endpoint that they poll is never
// suspended.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
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
	measured chan string
}

// Work implements river.Worker.
func (w *Worker) Work(ctx context.Context, job *river.Job[Measure]) error {
	select {
	case w.measured <- job.Args.Lake:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	db, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer db.Close()
	driver := riverdatabasesql.New(db)
	migrator, err := rivermigrate.New(driver, nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}

	worker := &Worker{measured: make(chan string)}
	workers := river.NewWorkers()
	river.AddWorker(workers, worker)
	client, err := river.NewClient(driver, &river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 1}},
		Workers: workers,
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer client.StopAndCancel(context.WithoutCancel(ctx))

	tx, err := db.BeginTx(ctx, nil) // an ORM's transaction is one of these, too
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	if _, err := client.InsertTx(ctx, tx, Measure{"Baikal"}, nil); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	select {
	case lake := <-worker.measured:
		_, err = fmt.Fprintln(out, "measured", lake)
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
