// Command script sends one query over one connection, which is all that a script needs.
// LAKEBASE_ENDPOINT names the endpoint (projects/P, or the whole path), and the login to
// the workspace is the Databricks SDK's; a Provisioned instance has LAKEBASE_INSTANCE_NAME.
package main

import (
	"context"
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

func run(ctx context.Context, out io.Writer) error {
	conn, err := lakebase.Connect(ctx, "") // the target of the environment
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))

	var database, user string
	if err := conn.QueryRow(ctx, "SELECT current_database(), current_user").Scan(&database, &user); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "connected to %s as %s\n", database, user)
	return err
}
