package main

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	server := lakebasetest.New(t)
	if err := server.SetNativeLogin("my-project", true); err != nil {
		t.Fatal(err)
	}
	lakebasetest.Setenv(t, server, "projects/my-project")
	conn, err := lakebase.Connect(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "CREATE ROLE reporting LOGIN PASSWORD 'not-a-token'"); err != nil {
		t.Fatal(err)
	}
	static := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("reporting", "not-a-token"),
		Host:     net.JoinHostPort(conn.Config().Host, strconv.Itoa(int(conn.Config().Port))),
		Path:     "/databricks_postgres",
		RawQuery: url.Values{"sslmode": {"verify-full"}, "sslrootcert": {server.RootCertFile()}}.Encode(),
	}
	t.Setenv("LAKEBASE_PG_URL", static.String())
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "connected as reporting\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
