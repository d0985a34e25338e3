package examples

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lakebase-go/lakebase"
)

// An application: a pool whose token is refreshed in the background.
func Example_pool() {
	ctx := context.Background()
	cfg, err := lakebase.ParseConfig("lakebase://my-instance/databricks_postgres?pool_size=3&max_overflow=0")
	if err != nil {
		fmt.Println(err)
		return
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connector.Close() // closes the pool as well

	connector.StartRefresh()
	pool, err := connector.NewPool(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}

	var answered atomic.Int64
	var workers sync.WaitGroup
	for range 20 {
		workers.Go(func() {
			var one int
			if err := pool.QueryRow(ctx, "SELECT 1").Scan(&one); err == nil {
				answered.Add(1)
			}
		})
	}
	workers.Wait()

	fmt.Printf("%d queries answered over at most %d connections\n", answered.Load(), pool.Config().MaxConns)
	fmt.Printf("%d call for a token\n", connector.Stats().CredentialCalls)
	// Output:
	// 20 queries answered over at most 3 connections
	// 1 call for a token
}
