// Command sqlx scans rows into structs, and binds parameters by name, with sqlx.
// sqlx.NewDb takes the *sql.DB as it is; "pgx" tells it how parameters are written.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/jmoiron/sqlx"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// Lake is a row of lakes.
type Lake struct {
	Name  string
	Depth int `db:"depth_m"`
}

func run(ctx context.Context, out io.Writer) error {
	plain, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	db := sqlx.NewDb(plain, "pgx")
	defer db.Close()

	if _, err := db.ExecContext(ctx, "CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)"); err != nil {
		return err
	}
	_, err = db.NamedExecContext(ctx, "INSERT INTO lakes (name, depth_m) VALUES (:name, :depth_m) ON CONFLICT DO NOTHING",
		[]Lake{{"Baikal", 1642}, {"Tanganyika", 1470}, {"Geneva", 310}})
	if err != nil {
		return err
	}
	query, args, err := sqlx.In("SELECT * FROM lakes WHERE name IN (?) ORDER BY depth_m DESC", []string{"Geneva", "Baikal"})
	if err != nil {
		return err
	}
	var lakes []Lake
	if err := db.SelectContext(ctx, &lakes, db.Rebind(query), args...); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, lakes)
	return err
}
