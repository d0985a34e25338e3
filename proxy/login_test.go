package proxy_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/proxy"
)

// The first client with certain settings gets what the server reports under them
// at login, like later ones, and not again with its first request.
func TestWelcomeHasTheClientsOwnSettings(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{})
	for _, name := range []string{"till", "till", "desk", "till"} {
		raw := r.dial()
		front := pgproto3.NewFrontend(raw, raw)
		reported := login(t, front, map[string]string{"user": "me", "database": "shop", "application_name": name})
		if got := reported["application_name"]; got != name {
			t.Errorf("application_name is reported as %q, want %q", got, name)
		}
		front.Send(&pgproto3.Query{String: "SHOW application_name"})
		if err := front.Flush(); err != nil {
			t.Fatal(err)
		}
		m, err := front.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := m.(*pgproto3.RowDescription); !ok {
			t.Errorf("the first answer is %#v", m)
		}
		raw.Close()
	}
}

// Clients with different settings that log in at once through few server
// connections must not take these from each other before a login is complete.
func TestManyLoginsShareFewServerConnections(t *testing.T) {
	t.Parallel()
	r := startPooled(t, proxy.Config{DefaultPoolSize: 1})
	r.connect()
	const clients = 12
	var joining sync.WaitGroup
	for i := range clients {
		joining.Go(func() {
			name := fmt.Sprint("till", i)
			conn, err := pgx.Connect(t.Context(), r.url("shop", "&application_name="+name))
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close(context.Background())
			if got := conn.PgConn().ParameterStatus("application_name"); got != name {
				t.Errorf("told application_name %q, want %q", got, name)
			}
		})
	}
	joining.Wait()
	if n := r.pool().Totals.Assignments; n > 3*clients {
		t.Errorf("server connections were lent %d times for %d clients to join", n, clients)
	}
}
