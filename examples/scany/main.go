// Command scany scans the rows of a pgx pool into nested structs with scany.
// pgxscan takes the pool, a connection or a transaction, so that nothing else changes.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/georgysavva/scany/v2/pgxscan"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// Lake is a row, with its country.
type Lake struct {
	Name    string
	Depth   int `db:"depth_m"`
	Country Country
}

// Country is what the columns country.* hold.
type Country struct{ Name string }

func run(ctx context.Context, out io.Writer) error {
	pool, err := lakebase.NewPool(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer pool.Close()

	if _, err := pool.Exec(ctx, `
		CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL, country text NOT NULL);
		INSERT INTO lakes VALUES ('Baikal', 1642, 'Russia'), ('Geneva', 310, 'Switzerland') ON CONFLICT DO NOTHING`); err != nil {
		return err
	}
	var lakes []Lake
	if err := pgxscan.Select(ctx, pool, &lakes, `SELECT name, depth_m, country AS "country.name" FROM lakes WHERE depth_m > $1 ORDER BY name`, 100); err != nil {
		return err
	}
	for _, lake := range lakes {
		fmt.Fprintln(out, lake.Name, lake.Depth, lake.Country.Name)
	}
	return nil
}
