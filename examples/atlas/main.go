// Command atlas brings a database to the schema that schema.hcl declares, with Atlas.
// It uses Atlas as a library, because the command needs the URL of a database: `lakebase
// exec -- sh -c 'atlas schema apply --url "$DATABASE_URL" ...'` gives it one.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"

	"ariga.io/atlas/sql/postgres"
	"ariga.io/atlas/sql/schema"

	"github.com/lakebase-go/lakebase"
)

//go:embed schema.hcl
var declared []byte

func main() {
	if err := run(context.Background(), os.Stdout, declared); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// run prints the changes and applies them in one transaction.
func run(ctx context.Context, out io.Writer, declared []byte) (err error) {
	db, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // does nothing after Commit
	driver, err := postgres.Open(tx)
	if err != nil {
		return err
	}
	var wanted schema.Realm
	if err := postgres.EvalHCLBytes(declared, &wanted, nil); err != nil {
		return err
	}
	is, err := driver.InspectRealm(ctx, &schema.InspectRealmOption{Schemas: []string{"lakes"}})
	if err != nil {
		return err
	}
	changes, err := driver.RealmDiff(is, &wanted)
	if err != nil {
		return err
	}
	plan, err := driver.PlanChanges(ctx, "lakes", changes)
	if err != nil {
		return err
	}
	for _, change := range plan.Changes {
		fmt.Fprintln(out, change.Cmd)
	}
	if err := driver.ApplyChanges(ctx, changes); err != nil {
		return err
	}
	return tx.Commit()
}
