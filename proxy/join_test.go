package proxy_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/proxy"
)

// The first client with some settings is told at login what they made of the
// server, like those that come after it, and hears nothing more of that when it
// first asks something.
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
