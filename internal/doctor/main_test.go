package doctor_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

const endpointPath = "projects/my-project/branches/production/endpoints/primary"

// nameServerAddr is the name server (host:port) of net.DefaultResolver, in place
// of the machine's if it is set.
var nameServerAddr atomic.Value

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if other, _ := nameServerAddr.Load().(string); other != "" {
			address = other
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil { // Go's resolver goes on waiting for an answer when its caller has stopped
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(run{m}, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// run closes the shared server before the search for leaks.
type run struct{ *testing.M }

func (r run) Run() int {
	code := r.M.Run()
	if sharedServer == nil {
		return code
	}
	if err := sharedServer.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "the shared local Lakebase does not close cleanly:", err)
		return 1
	}
	return code
}

// sharedServer serves all tests that leave no traces in it. They run one after
// the other, because the doctor reads the environment.
var sharedServer *local.Server

// wakeDelay leaves an endpoint asleep long enough to be noticed.
const wakeDelay = 300 * time.Millisecond

// shared returns the shared server, and sets the variables of a client of
// target.
func shared(t *testing.T, target string) *local.Server {
	t.Helper()
	testkit.OnlyEnv(t, nil)
	if sharedServer == nil {
		var err error
		if sharedServer, err = local.Start(t.Context(), instanceFirst(local.Options{WakeDelay: wakeDelay})); err != nil {
			t.Fatal(err)
		}
	}
	lakebasetest.Setenv(t, sharedServer, target)
	return sharedServer
}

// instanceFirst makes my-instance the default target, so that its host is localhost.
func instanceFirst(o local.Options) local.Options {
	if len(o.Instances)+len(o.Projects) == 0 {
		o.Instances, o.Projects = []string{"my-instance"}, []string{"my-project"}
	}
	return o
}

// start starts a local Lakebase for one test, and sets the variables of a
// client of target.
func start(t *testing.T, target string, o local.Options) *local.Server {
	t.Helper()
	testkit.OnlyEnv(t, nil)
	s := lakebasetest.New(t, instanceFirst(o))
	lakebasetest.Setenv(t, s, target)
	return s
}

func setFaults(t *testing.T, s *local.Server, f local.Faults) {
	t.Helper()
	if err := s.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.SetFaults(local.Faults{}); err != nil {
			t.Error(err)
		}
	})
}

// Limits for tests. A check that hangs is bounded by hangTimeout; the others
// have the time that a busy machine may need.
const (
	checkTimeout = 20 * time.Second
	hangTimeout  = 300 * time.Millisecond
	dnsTimeout   = 2 * time.Second // the machine's own name servers are asked too
	wakeTimeout  = 400 * time.Millisecond
)

// examine runs the doctor, with the limits of tests unless o has others, and
// fails the test if a token is in the report or the log.
func examine(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	o.Secrets = doctor.NewSecrets()
	log := &testkit.Buffer{}
	o.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.Timeout = cmp.Or(o.Timeout, checkTimeout)
	o.WakeTimeout = cmp.Or(o.WakeTimeout, wakeTimeout)
	o.LimitCheck("dns", dnsTimeout)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	report := doctor.Run(ctx, o)
	if strings.Contains(log.String()+describe(report), "eyJ") {
		t.Error("a token is in the report or the log")
	}
	return report
}

// describe writes out a whole report.
func describe(r *doctor.Report) string {
	var b strings.Builder
	b.WriteString(string(r.Status) + ": " + r.Summary + "\n")
	for _, c := range r.Checks {
		b.WriteString("  " + string(c.Status) + " " + c.Name + ": " + c.Summary + " [" + c.Kind + "]\n")
		for _, part := range []string{c.Meaning, c.Action, "$ " + c.Command} {
			if strings.Trim(part, "$ ") != "" {
				b.WriteString("        " + part + "\n")
			}
		}
		if c.Status == doctor.Failed || c.Status == doctor.Warning {
			for _, d := range c.Details {
				b.WriteString("          " + d.Name + " = " + d.Value + "\n")
			}
		}
	}
	return b.String()
}
