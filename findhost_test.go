package lakebase_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
)

// fleet is a workspace with many projects, each with one endpoint. It counts its
// calls.
type fleet struct {
	projects int
	delay    time.Duration                              // of each call
	refuse   func(r *http.Request) (status int)         // 0 for a normal reply
	extra    func(r *http.Request) (reply any, ok bool) // in place of the fleet's own replies

	hosts func(n int) string // of the n-th project's endpoint; nil for fleetHost

	mu    sync.Mutex
	calls map[string]int // by method and path
}

const fleetHost = "ep-fleet-%d.database.eu-west-1.cloud.databricks.com"

func (f *fleet) login(t *testing.T) *sdkconfig.Config {
	t.Helper()
	f.calls = map[string]int{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return &sdkconfig.Config{Host: server.URL, Token: "x"}
}

func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.calls[r.Method+" "+r.URL.Path]++
	f.mu.Unlock()
	select {
	case <-time.After(f.delay): // what a call takes is the subject
	case <-r.Context().Done():
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if f.refuse != nil {
		if status := f.refuse(r); status != 0 {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error_code": "REFUSED", "message": "refused with %d"}`, status)
			return
		}
	}
	_ = json.NewEncoder(w).Encode(f.reply(w, r)) // the client reports what it lacks
}

func (f *fleet) reply(w http.ResponseWriter, r *http.Request) any {
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		return map[string]any{}
	}
	if f.extra != nil {
		if reply, ok := f.extra(r); ok {
			return reply
		}
	}
	path, _ := strings.CutPrefix(r.URL.Path, "/api/2.0/postgres/")
	parts := strings.Split(path, "/")
	n := 0
	if len(parts) > 1 {
		_, _ = fmt.Sscanf(parts[1], "p%d", &n)
	}
	host := fmt.Sprintf(fleetHost, n)
	if f.hosts != nil && n < f.projects {
		host = f.hosts(n)
	}
	endpoint := map[string]any{
		"name":   fmt.Sprintf("projects/p%d/branches/b/endpoints/e", n),
		"status": map[string]any{"current_state": "IDLE", "hosts": map[string]any{"host": host}},
	}
	switch {
	case r.URL.Path == "/api/2.0/preview/scim/v2/Me":
		return map[string]any{"userName": "me@example.com"}
	case path == "credentials" || strings.HasSuffix(r.URL.Path, "/database/credentials"):
		return map[string]any{"token": "token", "expire_time": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
	case strings.HasSuffix(r.URL.Path, "/database/instances"):
		return map[string]any{}
	case path == "projects":
		var page, size int
		_, _ = fmt.Sscan(r.URL.Query().Get("page_token"), &page)
		_, _ = fmt.Sscan(r.URL.Query().Get("page_size"), &size)
		var list []map[string]any
		for i := page * size; i < min((page+1)*size, f.projects); i++ {
			list = append(list, map[string]any{"name": fmt.Sprintf("projects/p%d", i)})
		}
		reply := map[string]any{"projects": list}
		if (page+1)*size < f.projects {
			reply["next_page_token"] = fmt.Sprint(page + 1)
		}
		return reply
	case len(parts) == 3:
		return map[string]any{"branches": []any{map[string]any{"name": parts[0] + "/" + parts[1] + "/branches/b", "status": map[string]any{"default": true}}}}
	case len(parts) == 5:
		return map[string]any{"endpoints": []any{endpoint}}
	case len(parts) == 6 && n < f.projects:
		return endpoint
	}
	w.WriteHeader(http.StatusNotFound)
	return map[string]any{}
}

// count returns the number of calls whose method and path contain part.
func (f *fleet) count(part string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for call, times := range f.calls {
		if strings.Contains(call, part) {
			n += times
		}
	}
	return n
}

// resolve prepares a login to the target that c names, and returns how long that
// took.
func resolve(t *testing.T, c lakebase.Config) (pgx.ConnConfig, time.Duration, error) {
	t.Helper()
	var conn pgx.ConnConfig
	connector := connectorWith(t, &c, nil)
	began := time.Now()
	err := connector.BeforeConnect(t.Context(), &conn)
	return conn, time.Since(began), err
}

// Databricks Apps inject PGHOST and no name: in a workspace of 1,000 projects and
// 60 ms a call, the last one is found within 10 s. The test is not parallel, as it
// is about time.
func TestHostIsFoundAmongAThousandProjects(t *testing.T) {
	f := &fleet{projects: 1000, delay: 60 * time.Millisecond}
	host := fmt.Sprintf(fleetHost, 999)
	conn, took, err := resolve(t, lakebase.Config{Host: host, User: "me", Workspace: f.login(t)})
	if err != nil || conn.Host != host || conn.Password != "token" {
		t.Fatalf("host %q after %v: %v", conn.Host, took, err)
	}
	t.Logf("found in %v with %d calls", took, f.count(""))
	if took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// The search ends with its match, and does not begin all projects before it.
func TestHostIsSearchedNoFurtherThanItsMatch(t *testing.T) {
	t.Parallel()
	f := &fleet{projects: 1000, delay: 5 * time.Millisecond}
	if _, _, err := resolve(t, lakebase.Config{Host: fmt.Sprintf(fleetHost, 10), User: "me", Workspace: f.login(t)}); err != nil {
		t.Fatal(err)
	}
	if n := f.count(""); n > 300 {
		t.Errorf("%d calls for the tenth of 1,000 projects", n)
	}
}

// A search that cannot end in time says how far it came, and what needs none.
func TestHostThatIsNotFoundInTimeSaysHowFarTheSearchCame(t *testing.T) {
	t.Parallel()
	f := &fleet{projects: 1000, delay: time.Second / 2}
	_, took, err := resolve(t, lakebase.Config{Host: fmt.Sprintf(fleetHost, 999), User: "me", Workspace: f.login(t)})
	var e *lakebase.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "of 1000 projects were searched") || !strings.Contains(e.Hint, "LAKEBASE_ENDPOINT") {
		t.Errorf("got %v (hint %q)", err, lakebase.Hint(err))
	}
	if took > 12*time.Second || lakebase.Retryable(err) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("took %v; retryable %v", took, lakebase.Retryable(err))
	}
}

// No listing that the workspace refuses keeps the host from being found elsewhere.
func TestRefusedListingsAreSkipped(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/2.0/database/instances", "/api/2.0/postgres/projects/p1/branches", "/api/2.0/postgres/projects/p1/branches/b/endpoints"} {
		for _, status := range []int{400, 403, 404} {
			t.Run(fmt.Sprint(status, " ", path), func(t *testing.T) {
				t.Parallel()
				f := &fleet{projects: 3, refuse: func(r *http.Request) int {
					if r.URL.Path == path {
						return status
					}
					return 0
				}}
				login := f.login(t)
				if conn, _, err := resolve(t, lakebase.Config{Host: fmt.Sprintf(fleetHost, 2), User: "me", Workspace: login}); err != nil {
					t.Errorf("host %q: %v", conn.Host, err)
				}
				_, _, err := resolve(t, lakebase.Config{Host: fmt.Sprintf(fleetHost, 4), User: "me", Workspace: login})
				var e *lakebase.Error
				if !errors.As(err, &e) || e.Kind != lakebase.KindNotFound || !strings.Contains(e.Hint, "LAKEBASE_ENDPOINT") ||
					!strings.Contains(e.Message, "(listings refused: 1)") || !strings.Contains(err.Error(), fmt.Sprint(path, ": ", status)) {
					t.Errorf("a host that is not there: %v (hint %q)", err, lakebase.Hint(err))
				}
			})
		}
	}
}

// What limits requests, or fails for the moment, is asked again.
func TestSearchOutlastsFailuresOfTheMoment(t *testing.T) {
	t.Parallel()
	for _, status := range []int{429, 500, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			failed := map[string]bool{}
			f := &fleet{projects: 2, refuse: func(r *http.Request) int {
				mu.Lock()
				defer mu.Unlock()
				if failed[r.URL.Path] || !strings.Contains(r.URL.Path, "/p1/") {
					return 0
				}
				failed[r.URL.Path] = true
				return status
			}}
			if _, _, err := resolve(t, lakebase.Config{Host: fmt.Sprintf(fleetHost, 1), User: "me", Workspace: f.login(t)}); err != nil {
				t.Error(err)
			}
		})
	}
}

// An instance that the instances API refuses to name may be a project.
func TestInstanceIsLookedForAsAProject(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 404} {
		f := &fleet{projects: 2, refuse: func(r *http.Request) int {
			if strings.HasPrefix(r.URL.Path, "/api/2.0/database") {
				return status
			}
			return 0
		}}
		conn, _, err := resolve(t, lakebase.Config{Instance: "p1", User: "me", Workspace: f.login(t)})
		if err != nil || conn.Host != fmt.Sprintf(fleetHost, 1) || conn.Password != "token" {
			t.Errorf("%d: host %q, %v", status, conn.Host, err)
		}
		// With the host configured, the credentials API is the first to refuse.
		conn, _, err = resolve(t, lakebase.Config{Instance: "p1", Host: "localhost", User: "me", Workspace: f.login(t)})
		if err != nil || conn.Password != "token" {
			t.Errorf("%d, host configured: %v", status, err)
		}
	}
	f := &fleet{projects: 0, refuse: func(*http.Request) int { return http.StatusForbidden }}
	if _, _, err := resolve(t, lakebase.Config{Instance: "p1", User: "me", Workspace: f.login(t)}); !errors.Is(err, lakebase.KindPermissionDenied) {
		t.Errorf("refused everywhere: %v", err)
	}
}
