package doctor_test

import (
	"context"
	"log/slog"
	"net"
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

// nameServerAddr is the name server (host:port) that net.DefaultResolver asks;
// the machine's if it is empty.
var nameServerAddr atomic.Value

func TestMain(m *testing.M) {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if other, _ := nameServerAddr.Load().(string); other != "" {
			address = other
		}
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil { // Go's resolver would wait for an answer after its caller has gone
			context.AfterFunc(ctx, func() { conn.Close() })
		}
		return conn, err
	}}
	// The official SDK's metrics library starts this one when it is imported.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// start starts a local Lakebase and sets what a client of target sets.
func start(t *testing.T, target string, o local.Options) *local.Server {
	t.Helper()
	testkit.OnlyEnv(t, nil)
	s := lakebasetest.New(t, o)
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

// examine runs the doctor, with short time limits unless o has others, and
// looks for tokens in all that comes of it.
func examine(t *testing.T, o doctor.Options) *doctor.Report {
	t.Helper()
	var log doctor.Log
	o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	if o.WakeTimeout == 0 {
		o.WakeTimeout = 1500 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	report := doctor.Run(ctx, o)
	if strings.Contains(log.String()+describe(report), "eyJ") {
		t.Error("a token is in the report or the log")
	}
	return report
}

// describe is a report in the words of all its parts.
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
