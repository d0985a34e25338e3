package proxy

import (
	"errors"
	"testing"

	"github.com/lakebase-go/lakebase"
)

// Between finding its target and entering it, a client can be overtaken by a
// reload.
func TestRemovedTargetTakesNobody(t *testing.T) {
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
	goes := s.settings.Load().targets["goes"]
	if !s.enter(goes) {
		t.Fatal("it takes nobody")
	}
	if err := s.Reload(Config{Targets: map[string]*lakebase.Connector{"stays": connectors["stays"]}}); err != nil {
		t.Fatal(err)
	}
	if s.enter(goes) {
		t.Error("it takes clients although it is gone")
	}
	s.exit(goes)
	s.wg.Wait()
	if _, err := connectors["goes"].Connect(t.Context()); !errors.Is(err, lakebase.ErrClosed) {
		t.Error("its connector is not closed:", err)
	}
	if len(s.removed) != 0 || len(s.connectors) != 1 {
		t.Errorf("%d targets and %d connectors are kept", len(s.removed), len(s.connectors))
	}
}
