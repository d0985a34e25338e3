package interop

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect opens a bare pgx connection over verified TLS.
func connect(t *testing.T, a address, password string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%s dbname=%s sslmode=verify-full sslrootcert=%s connect_timeout=20",
		a.host, a.port, databaseName, a.root))
	if err != nil {
		t.Fatal(err)
	}
	config.User, config.Password = a.user, password
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// loggedInAs demands that the connection to a works, and whose it is.
func loggedInAs(t *testing.T, a address, password string) {
	t.Helper()
	var got string
	if err := connect(t, a, password).QueryRow(t.Context(), "select current_user").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != a.user {
		t.Errorf("logged in as %q, not %q", got, a.user)
	}
}
