package resultstream_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/local"
)

// server is shared: each test creates what it needs and uses nothing else.
var server *local.Server

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var err error
	if server, err = local.Start(context.Background(), local.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	variables, err := server.Env("")
	if err == nil {
		for _, v := range variables {
			os.Setenv(v.Name, v.Value)
		}
		code := m.Run()
		if err = server.Close(); err == nil {
			os.Exit(code)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// connect opens a connection that ends with the test.
func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := lakebase.Connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) }) // a second close does no harm
	return conn
}

// ask returns one value as text, over a new connection.
func ask(t *testing.T, sql string, args ...any) string {
	t.Helper()
	conn := connect(t)
	defer conn.Close(t.Context())
	var v string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// table creates an empty table with a text column a, and returns its name.
func table(t *testing.T) string {
	t.Helper()
	name := "t_" + strings.ToLower(strings.NewReplacer("/", "_", "#", "_").Replace(t.Name()))
	conn := connect(t)
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "DROP TABLE IF EXISTS "+name+"; CREATE TABLE "+name+" (a text)"); err != nil {
		t.Fatal(err)
	}
	return name
}
