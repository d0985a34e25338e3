// Command staticurl connects by a URL with a password, and calls no workspace. It is for a
// server on the developer's machine, or a role of Lakebase with a password of its own:
// LAKEBASE_PG_URL holds the URL, and the code is that of the other examples.
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
	pool, err := lakebase.NewPool(ctx, "") // LAKEBASE_PG_URL wins over LAKEBASE_ENDPOINT
	if err != nil {
		return err
	}
	defer pool.Close()

	var user string
	if err := pool.QueryRow(ctx, "SELECT current_user").Scan(&user); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, "connected as", user)
	return err
}
