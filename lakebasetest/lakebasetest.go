// Package lakebasetest starts a local Lakebase for Go tests.
//
//	func TestQuery(t *testing.T) {
//		server := lakebasetest.New(t)
//		lakebasetest.Setenv(t, server, "") // any client now finds it
//	}
//
// A server takes well under a second to start. Where that is too long for
// every test, start one in TestMain with [local.Start] and give each test a
// database of its own. Data directories are many small files in the temporary
// directory: on Linux, TMPDIR=/dev/shm starts them several times faster.
package lakebasetest

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

// startTimeout leaves room for the first start on a machine, which makes the
// template that later ones copy.
const startTimeout = 2 * time.Minute

// New starts a local Lakebase that ends with the test: an ephemeral one on
// free ports with instance my-instance and project my-project, or as the one
// Options given says. Warnings go to the test's log, unless Options.Logger
// is set. A machine without PostgreSQL fails the test with what to install;
// tests are never skipped.
func New(t testing.TB, options ...local.Options) *local.Server {
	t.Helper()
	var o local.Options
	switch len(options) {
	case 0:
	case 1:
		o = options[0]
	default:
		t.Fatal("lakebasetest.New takes at most one local.Options")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), startTimeout, errors.New("the local Lakebase took too long to start"))
	defer cancel()
	s, err := local.Start(ctx, o)
	if err != nil {
		t.Fatalf("local Lakebase: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("local Lakebase does not close cleanly: %v", err)
		}
	})
	return s
}

// Setenv sets the variables that connect clients of this process, and of the
// processes it starts, to target (see [local.Server.Env]) until the test
// ends. Like t.Setenv, it cannot be used in parallel tests.
func Setenv(t testing.TB, s *local.Server, target string) {
	t.Helper()
	vars, err := s.Env(target)
	if err != nil {
		t.Fatalf("local Lakebase: %v", err)
	}
	for _, v := range vars {
		t.Setenv(v.Name, v.Value)
	}
}
