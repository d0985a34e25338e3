package lakebase_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// pooledEndpoint starts a local Lakebase with the service's host names, and
// returns the direct and the pooled host of its endpoint.
func pooledEndpoint(t *testing.T) (s *local.Server, direct, pooled string) {
	t.Helper()
	s = start(t, endpointPath, local.Options{HostNames: local.ServiceNames})
	for _, e := range s.Status().Endpoints {
		if e.Target == endpointPath {
			return s, e.Host, e.PooledHost
		}
	}
	t.Fatal("no endpoint")
	return nil, "", ""
}

// A pooled host is warned of and tried, whether it is configured, asked for or all
// that is known; the error of a refusal names the direct host.
func TestPooledHostIsTriedAndItsRefusalNamesTheDirectHost(t *testing.T) {
	s, direct, pooled := pooledEndpoint(t)
	setFaults(t, s, local.Faults{Login: local.LoginFault{NoPooledTokens: true}})
	for name, test := range map[string]struct {
		target, endpoint string
	}{
		"pooled=true":          {target: "lakebase://" + endpointPath + "?pooled=true"},
		"configured beside":    {target: "lakebase://" + endpointPath + "?host=" + pooled},
		"the host alone":       {target: pooled},
		"URL without password": {target: "postgresql://" + pooled + "/databricks_postgres?sslmode=require"},
	} {
		t.Run(name, func(t *testing.T) {
			var logged testkit.Buffer
			c := connectorFromEnv(t, test.target, func(c *lakebase.Config) {
				c.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			})
			_, err := c.Connect(within(t, 20*time.Second))
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindTokenRejected || e.Resource != pooled || !strings.Contains(e.Hint, direct) {
				t.Fatalf("got %v (hint %q)", err, lakebase.Hint(err))
			}
			if !strings.Contains(err.Error(), "SASL authentication failed") {
				t.Errorf("the service's words are lost: %v", err)
			}
			if n := strings.Count(logged.String(), "the service's pooler"); n != 1 || !strings.Contains(logged.String(), "direct="+direct) {
				t.Errorf("%d warnings:\n%s", n, logged.String())
			}
		})
	}
}

// The documentation's own URL has no password: a token logs in, over TLS that is
// verified although the URL says require.
func TestURLWithoutAPasswordLogsInWithATokenOverVerifiedTLS(t *testing.T) {
	s, direct, _ := pooledEndpoint(t)
	_, port, _ := strings.Cut(s.PostgresAddr(), ":")
	target := "postgresql://" + s.User() + "@" + direct + ":" + port + "/databricks_postgres?sslmode=require"
	c := connectorFromEnv(t, target)
	conn, err := c.Connect(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if user := one[string](t, conn, "select current_user"); user != s.User() || c.Stats().Tokens != 1 {
		t.Errorf("logged in as %q with %d tokens", user, c.Stats().Tokens)
	}
	if err := conn.Close(t.Context()); err != nil {
		t.Error(err)
	}
	t.Setenv("PGSSLROOTCERT", "")
	before := s.Stats().LoginsRefused
	if _, err := connectorFromEnv(t, target).Connect(within(t, 20*time.Second)); !errors.Is(err, lakebase.KindTLS) || s.Stats().LoginsRefused != before {
		t.Errorf("with a certificate that is not trusted: %v", err)
	}
}
