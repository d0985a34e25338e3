// Command ent migrates and queries with the client that ent generates from a schema.
// Its driver takes the *sql.DB as it is. `go generate ./...` writes the client anew.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/sql"

	"github.com/lakebase-go/lakebase"

	"example.com/lakes/ent"
	"example.com/lakes/ent/lake"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	db, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	client := ent.NewClient(ent.Driver(sql.OpenDB(dialect.Postgres, db)))
	defer client.Close() // closes db

	if err := client.Schema.Create(ctx); err != nil {
		return err
	}
	tx, err := client.Tx(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	for name, depth := range map[string]int{"Baikal": 1642, "Tanganyika": 1470, "Geneva": 310} {
		known, err := tx.Lake.Query().Where(lake.Name(name)).Exist(ctx)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if err := tx.Lake.Create().SetName(name).SetDepthM(depth).Exec(ctx); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	deep, err := client.Lake.Query().Where(lake.DepthMGT(1000)).Order(lake.ByDepthM()).All(ctx)
	if err != nil {
		return err
	}
	for _, l := range deep {
		fmt.Fprintln(out, l.Name, l.DepthM)
	}
	return nil
}
