// Command pool answers many queries over few connections, as the handlers of a service
// do. The token is refreshed in the background, and all connections share it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	cfg, err := lakebase.ParseConfig("") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	cfg.PoolSize, cfg.MaxOverflow = 3, -1 // no more under load
	connector, err := lakebase.New(cfg)
	if err != nil {
		return err
	}
	defer connector.Close() // closes the pool as well

	connector.StartRefresh()
	pool, err := connector.NewPool(ctx)
	if err != nil {
		return err
	}

	errs := make([]error, 20)
	var handlers sync.WaitGroup
	for i := range errs {
		handlers.Go(func() {
			var n int
			if errs[i] = pool.QueryRow(ctx, "SELECT $1::int", i).Scan(&n); errs[i] == nil && n != i {
				errs[i] = fmt.Errorf("asked for %d and got %d", i, n)
			}
		})
	}
	handlers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d queries over at most %d connections, %d call for a token\n",
		len(errs), pool.Config().MaxConns, connector.Stats().CredentialCalls)
	return err
}
