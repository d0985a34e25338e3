package lakebase_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
)

// workspaceNaming is a workspace with an instance and an endpoint at host.
func workspaceNaming(t *testing.T, host string) *sdkconfig.Config {
	t.Helper()
	replies := map[string]any{
		"/api/2.0/preview/scim/v2/Me":                         map[string]any{"userName": "me@example.com"},
		"/api/2.0/database/credentials":                       map[string]any{"token": "token"},
		"/api/2.0/postgres/credentials":                       map[string]any{"token": "token"},
		"/api/2.0/database/instances/i":                       map[string]any{"name": "i", "state": "AVAILABLE", "read_write_dns": host, "read_only_dns": host},
		"/api/2.0/postgres/projects/p/branches/b/endpoints/e": map[string]any{"name": "projects/p/branches/b/endpoints/e", "status": map[string]any{"current_state": "ACTIVE", "hosts": map[string]any{"host": host, "read_only_host": host}}},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, ok := replies[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(reply) // the client reports what it lacks
	}))
	t.Cleanup(server.Close)
	return &sdkconfig.Config{Host: server.URL, Token: "x"}
}

// A host that the workspace names passes the same check as one of the
// configuration, before anything is sent to it.
func TestHostsOfTheWorkspaceAreValidated(t *testing.T) {
	t.Parallel()
	for host, fine := range map[string]bool{
		"instance-x.database.cloud.databricks.com": true, "127.0.0.1": true, "::1": true, "localhost": true,
		"127.0.0.1?sslmode=disable": false, "127.0.0.1\n": false, "a\nb": false, "/tmp/x": false, "@abstract": false, "a,b": false,
		"h:1": false, "postgres://h": false, "me@h": false, "h/d": false, "h#": false, "%2Ftmp": false, " h": false, "h\x00": false,
		"\u202eh": false, "\x1b[31mh": false, "a..b": false,
	} {
		login := workspaceNaming(t, host)
		for _, c := range []lakebase.Config{
			{Instance: "i"}, {Instance: "i", ReadOnly: true}, {Endpoint: "projects/p/branches/b/endpoints/e"}, {Endpoint: "projects/p/branches/b/endpoints/e", ReadOnly: true},
		} {
			c.Workspace = login
			connector, err := lakebase.New(&c)
			if err != nil {
				t.Fatal(err)
			}
			var conn pgx.ConnConfig
			err = connector.BeforeConnect(t.Context(), &conn)
			connector.Close()
			configured := c
			configured.Host = host
			_, wantErr := lakebase.New(&configured)
			if fine {
				if err != nil || wantErr != nil || conn.Host != host {
					t.Errorf("%q: %v, configured: %v; host %q", host, err, wantErr, conn.Host)
				}
				continue
			}
			var e, want *lakebase.Error
			if !errors.As(wantErr, &want) || !errors.As(err, &e) || e.Err == nil || !strings.HasSuffix(want.Error(), ": "+e.Err.Error()) {
				t.Errorf("%q: error %v, configured: %v", host, err, wantErr)
			} else if strings.ContainsAny(err.Error(), "\n\x1b\u202e") || conn.Host != "" || conn.Password != "" || lakebase.Retryable(err) {
				t.Errorf("%q: error %q, host %q", host, err, conn.Host)
			}
		}
	}
}
