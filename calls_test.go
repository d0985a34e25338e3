package lakebase_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

const fleetEndpoint = "projects/p1/branches/b/endpoints/e"

// TestNoCallIsRepeated counts the calls of a first login, and of logins that fail
// and look the target up again.
func TestNoCallIsRepeated(t *testing.T) {
	t.Parallel()
	const (
		metadata   = "GET /.well-known/databricks-config"
		me         = "GET /api/2.0/preview/scim/v2/Me"
		credential = "POST /api/2.0/postgres/credentials"
		endpoint   = "GET /api/2.0/postgres/" + fleetEndpoint
		database   = "GET /api/2.0/postgres/projects/p1/branches/b/databases/d"
	)
	host := "127.0.0.1"
	for name, test := range map[string]struct {
		config  lakebase.Config
		calls   []string // of the first login, each once
		perhaps []string // those that it may do without: a walk ends where it has found the host
		again   []string // what a failed login may repeat
	}{
		"all configured":        {lakebase.Config{Endpoint: fleetEndpoint, Host: host, User: "me"}, []string{metadata, credential}, nil, nil},
		"endpoint":              {lakebase.Config{Endpoint: fleetEndpoint}, []string{metadata, me, endpoint, credential}, nil, []string{endpoint}},
		"endpoint and role":     {lakebase.Config{Endpoint: fleetEndpoint, User: "me"}, []string{metadata, endpoint, credential}, nil, []string{endpoint}},
		"endpoint and database": {lakebase.Config{Endpoint: "projects/p1/databases/d", User: "me"}, []string{metadata, endpoint[:len(endpoint)-2], "GET /api/2.0/postgres/projects/p1/branches", database, credential}, nil, []string{endpoint[:len(endpoint)-2], "GET /api/2.0/postgres/projects/p1/branches", database}},
		"host": {lakebase.Config{Host: host}, []string{metadata, me, "GET /api/2.0/postgres/projects",
			"GET /api/2.0/postgres/projects/p1/branches", "GET /api/2.0/postgres/projects/p1/branches/b/endpoints", credential},
			[]string{"GET /api/2.0/database/instances", "GET /api/2.0/postgres/projects/p0/branches", "GET /api/2.0/postgres/projects/p0/branches/b/endpoints"}, []string{endpoint}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fleet{projects: 2}
			f.hosts = func(n int) string { return []string{"127.0.0.2", host}[n] }
			config := test.config
			config.Workspace, config.Port = f.login(t), 1 // where nothing listens
			c := connectorWith(t, &config, nil)
			var conn pgx.ConnConfig
			for range 2 {
				if err := c.BeforeConnect(t.Context(), &conn); err != nil {
					t.Fatal(err)
				}
			}
			for call, times := range f.calls {
				if times > 1 {
					t.Errorf("%s: %d times", call, times)
				}
			}
			for _, call := range test.calls {
				if f.calls[call] != 1 {
					t.Errorf("%s: %d times", call, f.calls[call])
				}
			}
			for call := range f.calls {
				if !slices.Contains(test.calls, call) && !slices.Contains(test.perhaps, call) {
					t.Errorf("%s is not needed", call)
				}
			}
			// Each attempt of this login fails, after which the target may have moved.
			testkit.Eventually(t, "the target is looked up again", func() bool {
				if _, err := c.Connect(within(t, time.Second)); !errors.Is(err, lakebase.KindUnavailable) {
					t.Fatal(err)
				}
				return !slices.ContainsFunc(test.again, func(call string) bool { return f.calls[call] < 2 })
			})
			for call, times := range f.calls {
				if times > 1 != slices.Contains(test.again, call) {
					t.Errorf("after failed logins %s: %d times", call, times)
				}
			}
		})
	}
}

// A database in a path may be its id, which the workspace knows the name of. Where
// it does not, it is the name.
func TestDatabaseOfAPathIsItsIDOrItsName(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		target, id, name string // the database that the workspace has
		status           int
		want             string
	}{
		"id":                  {fleetEndpoint, "databricks-postgres", "databricks_postgres", 0, "databricks_postgres"},
		"id of a branch":      {"projects/p1/branches/b", "databricks-postgres", "databricks_postgres", 0, "databricks_postgres"},
		"id of a project":     {"projects/p1", "databricks-postgres", "databricks_postgres", 0, "databricks_postgres"},
		"name":                {"projects/p1", "app", "", http.StatusNotFound, "app"},
		"name, may not look":  {"projects/p1", "app", "", http.StatusForbidden, "app"},
		"name that is no id":  {"projects/p1", "my_app", "other", 0, "my_app"},
		"no answer in itself": {"projects/p1", "app", "", 0, "app"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fleet{projects: 2}
			path := "/api/2.0/postgres/projects/p1/branches/b/databases/" + test.id
			f.extra = func(r *http.Request) (any, bool) {
				return map[string]any{"name": strings.TrimPrefix(path, "/api/2.0/postgres/"), "status": map[string]any{"postgres_database": test.name}}, r.URL.Path == path
			}
			f.refuse = func(r *http.Request) int {
				if r.URL.Path == path {
					return test.status
				}
				return 0
			}
			login := f.login(t)
			for _, c := range []lakebase.Config{
				{Endpoint: test.target + "/databases/" + test.id}, {Endpoint: test.target + "/databases/" + test.id, Host: "localhost"},
			} {
				c.User, c.Workspace = "me", login
				conn, _, err := resolve(t, c)
				if err != nil || conn.Database != test.want {
					t.Errorf("%s: connects to %q, %v", c.Host, conn.Database, err)
				}
			}
			// A database that is named otherwise is a name.
			conn, _, err := resolve(t, lakebase.Config{Endpoint: test.target, Database: test.id, User: "me", Workspace: login})
			if err != nil || conn.Database != test.id {
				t.Errorf("connects to %q, %v", conn.Database, err)
			}
		})
	}
	f := &fleet{projects: 2, refuse: func(r *http.Request) int {
		if strings.Contains(r.URL.Path, "/databases/") {
			return http.StatusInternalServerError
		}
		return 0
	}}
	c := connectorWith(t, &lakebase.Config{Endpoint: "projects/p1/databases/d", User: "me", Workspace: f.login(t)}, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
	defer cancel()
	if err := c.BeforeConnect(ctx, new(pgx.ConnConfig)); !errors.Is(err, lakebase.KindWorkspaceUnreachable) {
		t.Errorf("a name that is not known yet was used: %v", err)
	}
}

// Hosts that are asked for as pooled come from the workspace's own field for them.
func TestPooledHostIsTheWorkspaces(t *testing.T) {
	t.Parallel()
	hosts := map[string]any{"host": "rw.test", "read_only_host": "ro.test", "read_write_pooled_host": "rw-pooler.test", "read_only_pooled_host": "ro-pooler.test"}
	f := &fleet{projects: 2}
	f.extra = func(r *http.Request) (any, bool) {
		endpoint := map[string]any{"name": fleetEndpoint, "status": map[string]any{"current_state": "IDLE", "hosts": hosts}}
		switch {
		case strings.HasSuffix(r.URL.Path, "/"+fleetEndpoint):
			return endpoint, true
		case strings.HasSuffix(r.URL.Path, "/p1/branches/b/endpoints"):
			return map[string]any{"endpoints": []any{endpoint}}, true
		case strings.HasSuffix(r.URL.Path, "/instances/p1"):
			return map[string]any{"name": "p1", "state": "AVAILABLE", "read_write_dns": "instance.test"}, true
		}
		return nil, false
	}
	login := f.login(t)
	for _, test := range []struct {
		config lakebase.Config
		want   string
	}{
		{lakebase.Config{Endpoint: fleetEndpoint}, "rw.test"},
		{lakebase.Config{Endpoint: fleetEndpoint, Pooled: true}, "rw-pooler.test"},
		{lakebase.Config{Endpoint: fleetEndpoint, Pooled: true, ReadOnly: true}, "ro-pooler.test"},
		{lakebase.Config{Instance: "p1"}, "instance.test"},
		{lakebase.Config{Instance: "p1", Pooled: true}, "rw-pooler.test"},
		{lakebase.Config{Host: "rw-pooler.test"}, "rw-pooler.test"},
	} {
		c := test.config
		c.User, c.Workspace = "me", login
		if conn, _, err := resolve(t, c); err != nil || conn.Host != test.want {
			t.Errorf("%v: host %q, want %q: %v", test.config, conn.Host, test.want, err)
		}
	}
	delete(hosts, "read_write_pooled_host")
	for _, c := range []lakebase.Config{{Endpoint: fleetEndpoint}, {Instance: "p1"}} {
		c.User, c.Workspace, c.Pooled = "me", login, true
		if _, _, err := resolve(t, c); !errors.Is(err, lakebase.KindNotFound) || !strings.Contains(err.Error(), "pooler") {
			t.Errorf("without a pooler: %v", err)
		}
	}
}

// Config.Claims and Config.TokenTTL are in the request for a credential, in the
// form of either API.
func TestClaimsAreRequested(t *testing.T) {
	t.Parallel()
	bodies := map[string]map[string]any{}
	f := &fleet{projects: 2}
	f.extra = func(r *http.Request) (any, bool) {
		if strings.HasSuffix(r.URL.Path, "/credentials") {
			body, _ := io.ReadAll(r.Body)
			var in map[string]any
			_ = json.Unmarshal(body, &in) // what is missing fails the test
			bodies[r.URL.Path] = in
		}
		return map[string]any{"name": "i", "state": "AVAILABLE", "read_write_dns": "instance.test"}, strings.HasSuffix(r.URL.Path, "/instances/i")
	}
	login := f.login(t)
	for _, c := range []lakebase.Config{{Endpoint: fleetEndpoint, TokenTTL: 5 * time.Minute}, {Instance: "i"}} {
		c.User, c.Workspace, c.Claims = "me", login, []string{"main.sales.a", "main.sales.b"}
		if _, _, err := resolve(t, c); err != nil {
			t.Fatal(err)
		}
	}
	const want = `[{"permission_set":"READ_ONLY","resources":[{"table_name":"main.sales.a"},{"table_name":"main.sales.b"}]}]`
	for path, body := range bodies {
		if got, _ := json.Marshal(body["claims"]); string(got) != want {
			t.Errorf("%s: claims %s", path, got)
		}
	}
	if len(bodies) != 2 || bodies["/api/2.0/postgres/credentials"]["ttl"] != "300s" {
		t.Errorf("sent %v", bodies)
	}
}
