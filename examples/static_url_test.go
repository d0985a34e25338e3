package examples

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/lakebase-go/lakebase"
)

// Local development or a role with a password of its own: a static URL, and
// no workspace is called. In a deployment LAKEBASE_PG_URL holds it, and
// nothing in the program differs from the other examples.
func Example_staticURL() {
	ctx := context.Background()
	target, err := roleWithPassword(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	pool, err := lakebase.NewPool(ctx, target)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()

	var user string
	if err := pool.QueryRow(ctx, "SELECT current_user").Scan(&user); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("connected as", user)
	// Output: connected as reporting
}

// roleWithPassword makes the role that the example logs in with, and returns
// its URL.
func roleWithPassword(ctx context.Context) (string, error) {
	conn, err := lakebase.Connect(ctx, "projects/my-project")
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE ROLE reporting LOGIN PASSWORD 'not-a-token'"); err != nil {
		return "", err
	}
	return (&url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("reporting", "not-a-token"),
		Host:     net.JoinHostPort(conn.Config().Host, fmt.Sprint(conn.Config().Port)),
		Path:     "/databricks_postgres",
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {os.Getenv("PGSSLROOTCERT")}}.Encode(),
	}).String(), nil
}
