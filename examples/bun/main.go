// Command bun creates a table, upserts and queries structs with Bun.
// bun.NewDB takes the *sql.DB as it is, together with the dialect of Postgres.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"

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
	bun.BaseModel `bun:"table:lakes"`

	Name  string `bun:",pk"`
	Depth int    `bun:"depth_m,notnull"`
}

func run(ctx context.Context, out io.Writer) error {
	plain, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	db := bun.NewDB(plain, pgdialect.New())
	defer db.Close()

	if _, err := db.NewCreateTable().Model((*Lake)(nil)).IfNotExists().Exec(ctx); err != nil {
		return err
	}
	lakes := []Lake{{Name: "Baikal", Depth: 1642}, {Name: "Tanganyika", Depth: 1470}, {Name: "Geneva", Depth: 310}}
	if _, err := db.NewInsert().Model(&lakes).On("CONFLICT (name) DO UPDATE").Exec(ctx); err != nil {
		return err
	}
	var deep []Lake
	if err := db.NewSelect().Model(&deep).Where("depth_m > ?", 1000).Order("depth_m DESC").Scan(ctx); err != nil {
		return err
	}
	for _, lake := range deep {
		fmt.Fprintln(out, lake.Name, lake.Depth)
	}
	return nil
}
