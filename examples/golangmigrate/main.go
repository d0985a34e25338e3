// Command golangmigrate migrates the database when a service starts, with golang-migrate.
// The migrations are in the program, and its driver for pgx takes the *sql.DB and an
// advisory lock.
package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/golang-migrate/migrate/v4"
	pgx "github.com/golang-migrate/migrate/v4/database/pgx/v5"
	"github.com/golang-migrate/migrate/v4/source/iofs"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

//go:embed migrations/*.sql
var migrations embed.FS

func run(ctx context.Context, out io.Writer) (err error) {
	db, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer db.Close()

	driver, err := pgx.WithInstance(db, &pgx.Config{})
	if err != nil {
		return err
	}
	files, err := iofs.New(migrations, "migrations")
	if err != nil {
		return err
	}
	m, err := migrate.NewWithInstance("iofs", files, "lakebase", driver)
	if err != nil {
		return err
	}
	defer func() { // releases its connection
		sourceErr, databaseErr := m.Close()
		err = errors.Join(err, sourceErr, databaseErr)
	}()
	if err := m.Up(); err != nil && !errors.Is(err, migrate.ErrNoChange) {
		return err
	}
	version, dirty, err := m.Version()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "version %d, dirty: %t\n", version, dirty)
	return err
}
