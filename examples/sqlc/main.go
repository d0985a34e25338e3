// Command sqlc calls the Go functions that sqlc generates from queries.sql.
// They take the pool as it is. `go generate` writes db.go, models.go and queries.sql.go.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

//go:generate go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.29.0 generate

//go:embed schema.sql
var schema string

func run(ctx context.Context, out io.Writer) error {
	pool, err := lakebase.NewPool(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.Exec(ctx, schema); err != nil {
		return err
	}
	queries := New(pool)
	for _, lake := range []AddLakeParams{{"Baikal", 1642}, {"Tanganyika", 1470}, {"Geneva", 310}} {
		if err := queries.AddLake(ctx, lake); err != nil {
			return err
		}
	}
	lakes, err := queries.DeeperThan(ctx, 1000)
	if err != nil {
		return err
	}
	for _, lake := range lakes {
		fmt.Fprintln(out, lake.Name, lake.DepthM)
	}
	return nil
}
