package main

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	lakebasetest.Setenv(t, lakebasetest.New(t), "projects/my-project")
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "20 deposits of 5 make 100\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	// Another transaction writes between the first attempt's read and its write.
	pool, err := lakebase.NewPool(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	attempts := 0
	err = serializable(t.Context(), pool, func(tx pgx.Tx) error {
		if attempts++; attempts == 1 {
			if _, err := tx.Exec(t.Context(), "SELECT FROM accounts"); err != nil {
				return err
			}
			if _, err := pool.Exec(t.Context(), "UPDATE accounts SET balance = balance + 7"); err != nil {
				return err
			}
		}
		return deposit(t.Context(), tx, "savings", 5)
	})
	if err != nil {
		t.Fatal(err)
	}
	var balance int
	if err := pool.QueryRow(t.Context(), "SELECT balance FROM accounts").Scan(&balance); err != nil {
		t.Fatal(err)
	}
	if attempts != 2 || balance != 112 {
		t.Errorf("%d attempts and a balance of %d, want 2 and 112", attempts, balance)
	}
	// A failure of the transaction's own ends it at once.
	attempts = 0
	err = serializable(t.Context(), pool, func(tx pgx.Tx) error {
		attempts++
		return deposit(t.Context(), tx, "no such account", 5)
	})
	if err == nil || attempts != 1 {
		t.Errorf("%d attempts for an account that does not exist: %v", attempts, err)
	}
}
