package examples

import (
	"context"
	"fmt"

	"github.com/lakebase-go/lakebase"
)

// A script: one connection, opened and closed.
func Example_connect() {
	ctx := context.Background()
	conn, err := lakebase.Connect(ctx, "my-instance/databricks_postgres")
	if err != nil {
		fmt.Println(err, lakebase.Hint(err))
		return
	}
	defer conn.Close(ctx)

	var database, user string
	if err := conn.QueryRow(ctx, "SELECT current_database(), current_user").Scan(&database, &user); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("connected to %s as %s\n", database, user)
	// Output: connected to databricks_postgres as dev@example.com
}
