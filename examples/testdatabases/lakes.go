// Package testdatabases is a store whose tests run in parallel, each in a database of its
// own. One local Lakebase serves them all; a database is a copy of a template that has the
// schema, which takes a fraction of a second.
package testdatabases

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Schema creates what a Store needs.
const Schema = "CREATE TABLE lakes (name text PRIMARY KEY, depth_m int NOT NULL)"

// Store keeps lakes in a database.
type Store struct{ Pool *pgxpool.Pool }

// Add adds a lake.
func (s Store) Add(ctx context.Context, name string, depth int) error {
	_, err := s.Pool.Exec(ctx, "INSERT INTO lakes VALUES ($1, $2)", name, depth)
	return err
}

// Names returns the names of the lakes, the deepest first.
func (s Store) Names(ctx context.Context) ([]string, error) {
	rows, err := s.Pool.Query(ctx, "SELECT name FROM lakes ORDER BY depth_m DESC")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
