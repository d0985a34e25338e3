package txpool

import (
	"strings"
	"testing"
)

// A reset that a limit of time may cancel is waited for, so that the client can be given
// another server: where the former client has set the limit, and everywhere in the pool
// once a limit that nothing shows has canceled one.
func TestResetsThatMayFailAreWaitedFor(t *testing.T) {
	var table Statements
	table.AlwaysReset.Store(true)
	table.Catalog.Trust(true)
	// resets links a new client to a server that another client has used, and reports
	// whether its first request is sent together with the reset.
	resets := func(former Settings) (x *Relay, together bool) {
		t.Helper()
		s := NewServer(&table, 0)
		s.setSettings(former)
		s.owner = NewClient(&table)
		x = new(Relay)
		x.Link(NewClient(&table), s)
		_, sent, _, err := x.FromClient(fromClient("Q(select 1)"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(sent), resetSQL) {
			t.Fatalf("no reset: %q", sent)
		}
		return x, strings.Contains(string(sent), "select 1")
	}
	if _, together := resets(Settings{newAssignments(map[string]string{"statement_timeout": "1ms"})}); together {
		t.Error("a client with a limit of time has left, and the next one does not wait for the reset")
	}
	x, together := resets(Settings{})
	if !together {
		t.Error("the first client waits, though nothing shows a limit of time")
	}
	if _, err := x.FromServer(fromServer("E(57014) Z(I)"), nil); err == nil {
		t.Error("a failed reset does not end the session")
	}
	x, together = resets(Settings{})
	if together {
		t.Error("a reset has been canceled, and the next client does not wait for its own")
	}
	if _, err := x.FromServer(fromServer("E(57014) Z(I)"), nil); err != nil {
		t.Fatal(err)
	}
	if e := x.SettingsError(); e == nil || e.Code != queryCanceled {
		t.Errorf("the client does not get another server: %v", e)
	}
}
