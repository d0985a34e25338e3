package proxy

import (
	"errors"
	"testing"

	"github.com/lakebase-go/lakebase"
)

// A reload can remove a target between the moment that a client finds it and the
// moment that it enters.
func TestRemovedTargetAcceptsNoClient(t *testing.T) {
	connectors := map[string]*lakebase.Connector{}
	for _, name := range []string{"stays", "goes"} {
		cfg, err := lakebase.ParseConfig(name)
		if err != nil {
			t.Fatal(err)
		}
		if connectors[name], err = lakebase.New(cfg); err != nil {
			t.Fatal(err)
		}
		defer connectors[name].Close()
	}
	s, err := New(Config{Targets: connectors, DefaultTarget: "stays"})
	if err != nil {
		t.Fatal(err)
	}
	goes := s.env.configuration.Load().targets["goes"]
	if !s.targets.enter(goes) {
		t.Fatal("the target does not accept a client")
	}
	if err := s.Reload(Config{Targets: map[string]*lakebase.Connector{"stays": connectors["stays"]}}); err != nil {
		t.Fatal(err)
	}
	if s.targets.enter(goes) {
		t.Error("the removed target accepts a client")
	}
	s.targets.leave(goes)
	s.env.tasks.Wait()
	if _, err := connectors["goes"].Connect(t.Context()); !errors.Is(err, lakebase.ErrClosed) {
		t.Error("its connector is not closed:", err)
	}
	if kept := s.targets.all(); len(kept) != 1 {
		t.Errorf("%d targets are kept", len(kept))
	}
}
