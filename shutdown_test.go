package lakebase_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

func TestShutdownWaitsForItsDeadlineOnly(t *testing.T) {
	t.Parallel()
	s := lakebasetest.New(t, local.Options{Instances: []string{"db"}})
	c := connectorOf(t, lakebasetest.Config(t, s, "db"))
	pool, err := c.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	held := acquire(t, pool, 2)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = c.Shutdown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "2 connections are still in use") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Token(t.Context()); !errors.Is(err, lakebase.ErrClosed) {
		t.Errorf("a token after Shutdown: %v", err)
	}
	if got := one[int](t, held[0], "select 1"); got != 1 {
		t.Error("a connection in use was closed")
	}
	for _, conn := range held {
		conn.Release()
	}
	testkit.Eventually(t, "released connections are closed", func() bool { return s.Stats().Connections == 0 })
	if err := c.Shutdown(t.Context()); err != nil {
		t.Errorf("a second Shutdown: %v", err)
	}
}

func TestDriverConnectorLeavesTheConnectorOpen(t *testing.T) {
	t.Parallel()
	s := lakebasetest.New(t, local.Options{Instances: []string{"db"}})
	c := connectorOf(t, lakebasetest.Config(t, s, "db"))
	if _, closes := c.DriverConnector().(io.Closer); closes {
		t.Error("sql.DB.Close would close a Connector that others use")
	}
	for range 2 {
		db := sql.OpenDB(wrapped{c.DriverConnector()})
		if one2(t, db, "select 1") != 1 {
			t.Error("no row")
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := s.Stats().CredentialCalls; n != 1 {
		t.Errorf("%d tokens for two databases, want 1", n)
	}
}

// wrapped is what instrumentation makes of a driver.Connector.
type wrapped struct{ driver.Connector }

func TestOpenDBClosesItsConnector(t *testing.T) {
	s := start(t, "my-instance", local.Options{})
	db, err := lakebase.OpenDB(t.Context(), "my-instance")
	if err != nil {
		t.Fatal(err)
	}
	if one2(t, db, "select 1") != 1 || db.Stats().MaxOpenConnections != 15 {
		t.Errorf("stats %+v", db.Stats())
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	testkit.Eventually(t, "no connection left", func() bool { return s.Stats().Connections == 0 })
	if _, err := lakebase.OpenDB(t.Context(), "not/a/target"); !errors.Is(err, lakebase.KindBadConfig) {
		t.Errorf("got %v", err)
	}
}

// The documentation of the package is what `go doc` shows: it has to fit a
// screen and a half.
func TestGoDocIsShort(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "doc", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "\n"); n > 60 || n < 30 {
		t.Errorf("go doc . has %d lines, want at most 60", n)
	}
}
