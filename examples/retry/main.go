// Command retry repeats serializable transactions that Postgres ended because of others.
// SQLSTATE 40001 and 40P01 say so, and the transaction runs again from its beginning. The
// library itself repeats logins only: a program knows whether a transaction may run twice.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	pool, err := lakebase.NewPool(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS accounts (name text PRIMARY KEY, balance int NOT NULL);
		INSERT INTO accounts VALUES ('savings', 0) ON CONFLICT (name) DO UPDATE SET balance = 0`); err != nil {
		return err
	}
	errs := make([]error, 20)
	var deposits sync.WaitGroup
	for i := range errs {
		deposits.Go(func() {
			errs[i] = serializable(ctx, pool, func(tx pgx.Tx) error { return deposit(ctx, tx, "savings", 5) })
		})
	}
	deposits.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	var balance int
	if err := pool.QueryRow(ctx, "SELECT balance FROM accounts WHERE name = 'savings'").Scan(&balance); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d deposits of 5 make %d\n", len(errs), balance)
	return err
}

// deposit reads and then writes, which loses deposits at lower isolation levels.
func deposit(ctx context.Context, tx pgx.Tx, account string, amount int) error {
	var balance int
	if err := tx.QueryRow(ctx, "SELECT balance FROM accounts WHERE name = $1", account).Scan(&balance); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "UPDATE accounts SET balance = $2 WHERE name = $1", account, balance+amount)
	return err
}

// maxPause bounds the wait between two attempts.
const maxPause = time.Second

// serializable runs the transaction do until it commits, fails for a reason of its own, or
// ctx ends. do may run several times, so that it must have no effect outside its transaction.
func serializable(ctx context.Context, pool *pgxpool.Pool, do func(pgx.Tx) error) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, maxPause) {
		err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.Serializable}, do)
		var failed *pgconn.PgError
		if !errors.As(err, &failed) || failed.Code != "40001" && failed.Code != "40P01" {
			return err
		}
		select {
		case <-time.After(rand.N(pause)): // at random, so that two do not meet again
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}
