package inventory_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/workspace"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

const primary = "projects/web/branches/production/endpoints/primary"

// list lists the server's content by a new client.
func list(t *testing.T, s *local.Server) (inventory.Listing, error) {
	t.Helper()
	c := workspace.New(workspace.Options{Config: login(t, s)})
	defer c.Close()
	return inventory.List(t.Context(), c)
}

func login(t *testing.T, s *local.Server) *sdkconfig.Config {
	t.Helper()
	variables, err := s.Env("")
	if err != nil {
		t.Fatal(err)
	}
	set := map[string]string{}
	for _, v := range variables {
		set[v.Name] = v.Value
	}
	return &sdkconfig.Config{Host: set["DATABRICKS_HOST"], Token: set["DATABRICKS_TOKEN"]}
}

func names(l inventory.Listing) []string {
	var names []string
	for _, e := range l.Entries {
		names = append(names, e.Name+" "+e.StateText())
	}
	return names
}

// ofInstance is how the project that an instance is reads.
func ofInstance(name string) string { return strings.Replace(primary, "web", name, 1) + " active" }

func TestList(t *testing.T) {
	s := lakebasetest.New(t, local.Options{Instances: []string{"shop", "admin"}, Projects: []string{"web"}})
	l, err := list(t, s)
	if err != nil || len(l.Denied) > 0 {
		t.Fatal(err, l.Denied)
	}
	if want := []string{ofInstance("admin"), ofInstance("shop"), primary + " active"}; !slices.Equal(names(l), want) {
		t.Errorf("got %q, want %q", names(l), want)
	}
	for _, e := range l.Entries {
		if e.Host == "" || e.ReadOnly || e.Default != (e.Product == inventory.Autoscaling) {
			t.Errorf("%+v", e)
		}
	}

	t.Run("Denied", func(t *testing.T) {
		fail(t, s, local.APIFault{Status: 403, PathPrefix: "/api/2.0/database"})
		l, err := list(t, s)
		if err != nil || len(l.Denied) != 1 || !slices.Equal(names(l), []string{ofInstance("admin"), ofInstance("shop"), primary + " active"}) {
			t.Errorf("%q, denied %v, %v", names(l), l.Denied, err)
		}
		fail(t, s, local.APIFault{Status: 403, PathPrefix: "/api/2.0/postgres/projects/web/branches"})
		l, err = list(t, s)
		if err != nil || len(l.Denied) != 1 || !slices.Equal(names(l), []string{ofInstance("admin"), ofInstance("shop")}) {
			t.Errorf("%q, denied %v, %v", names(l), l.Denied, err)
		}
		fail(t, s, local.APIFault{Status: 403, PathPrefix: "/api/2.0/postgres"})
		l, err = list(t, s)
		if err != nil || len(l.Denied) != 1 || !slices.Equal(names(l), []string{"admin available", "shop available"}) {
			t.Errorf("%q, denied %v, %v", names(l), l.Denied, err)
		}
		fail(t, s, local.APIFault{Status: 403, PathPrefix: "/api/2.0"})
		var call *workspace.Error
		if l, err = list(t, s); !errors.As(err, &call) || call.Status != 403 {
			t.Errorf("%q, %v", names(l), err)
		}
	})
	t.Run("Unreachable", func(t *testing.T) {
		fail(t, s, local.APIFault{Status: 503, PathPrefix: "/api/2.0/postgres"})
		var call *workspace.Error
		if _, err := list(t, s); !errors.As(err, &call) || !call.Temporary() {
			t.Errorf("part of the list was returned as a whole: %v", err)
		}
		fail(t, s, local.APIFault{Hang: true})
		c := workspace.New(workspace.Options{Config: login(t, s)})
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		if _, err := inventory.List(ctx, c); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 20*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// The local Lakebase has no projects and branches without endpoints, nor stopped
// ones: a server with fixed replies does.
func TestListShowsWhatHasNoEndpoint(t *testing.T) {
	replies := map[string]string{
		"/api/2.0/database/instances":              `{"database_instances": [{"name": "off", "state": "STOPPED", "read_write_dns": "off.example"}]}`,
		"/api/2.0/postgres/projects":               `{"projects": [{"name": "projects/full"}, {"name": "projects/bare"}]}`,
		"/api/2.0/postgres/projects/bare/branches": `{}`,
		"/api/2.0/postgres/projects/full/branches": `{"branches": [
			{"name": "projects/full/branches/a", "status": {"current_state": "READY", "default": true}},
			{"name": "projects/full/branches/b", "status": {"current_state": "IMPORTING"}}]}`,
		"/api/2.0/postgres/projects/full/branches/b/endpoints": `{}`,
		"/api/2.0/postgres/projects/full/branches/a/endpoints": `{"endpoints": [
			{"name": "projects/full/branches/a/endpoints/ro", "status": {"endpoint_type": "ENDPOINT_TYPE_READ_ONLY", "current_state": "IDLE", "hosts": {"host": "ro.example"}}},
			{"name": "projects/full/branches/a/endpoints/rw", "status": {"current_state": "IDLE", "disabled": true, "hosts": {"host": "rw.example"}}}]}`,
	}
	c := withReplies(t, replies)
	l, err := inventory.List(t.Context(), c)
	if err != nil || len(l.Denied) > 0 {
		t.Fatal(err, l.Denied)
	}
	want := []inventory.Entry{
		{Name: "off", Product: inventory.Provisioned, State: workspace.Stopped, ServiceState: "STOPPED", Host: "off.example"},
		{Name: "projects/bare", Product: inventory.Autoscaling, State: workspace.Available},
		{Name: "projects/full/branches/a/endpoints/ro", Product: inventory.Autoscaling, State: workspace.Available, ServiceState: "IDLE", Host: "ro.example", ReadOnly: true, Default: true},
		{Name: "projects/full/branches/a/endpoints/rw", Product: inventory.Autoscaling, State: workspace.Stopped, ServiceState: "IDLE", Host: "rw.example", Default: true},
		{Name: "projects/full/branches/b", Product: inventory.Autoscaling, State: workspace.Available, ServiceState: "IMPORTING"},
	}
	if !slices.Equal(l.Entries, want) {
		t.Errorf("got  %+v\nwant %+v", l.Entries, want)
	}
	if state := l.Entries[3].StateText(); state != "disabled" {
		t.Errorf("a disabled endpoint is %q", state)
	}
}

// An upgraded instance answers in both APIs. The list has it once, as the project.
func TestListShowsAnUpgradedInstanceOnce(t *testing.T) {
	c := withReplies(t, map[string]string{
		"/api/2.0/database/instances": `{"database_instances": [{"name": "shop", "read_write_dns": "instance-1.example"},
			{"name": "renamed", "read_write_dns": "ep-b.example"}, {"name": "left", "read_write_dns": "instance-3.example"}]}`,
		"/api/2.0/postgres/projects":                                    `{"projects": [{"name": "projects/shop"}, {"name": "projects/other"}]}`,
		"/api/2.0/postgres/projects/shop/branches":                      `{"branches": [{"name": "projects/shop/branches/production"}]}`,
		"/api/2.0/postgres/projects/shop/branches/production/endpoints": `{"endpoints": [{"name": "projects/shop/branches/production/endpoints/primary", "status": {"hosts": {"host": "ep-a.example"}}}]}`,
		"/api/2.0/postgres/projects/other/branches":                     `{"branches": [{"name": "projects/other/branches/b"}]}`,
		"/api/2.0/postgres/projects/other/branches/b/endpoints":         `{"endpoints": [{"name": "projects/other/branches/b/endpoints/e", "status": {"hosts": {"host": "ep-b.example"}}}]}`,
	})
	l, err := inventory.List(t.Context(), c)
	if err != nil || len(l.Denied) > 0 {
		t.Fatal(err, l.Denied)
	}
	want := []string{"left available", "projects/other/branches/b/endpoints/e available", "projects/shop/branches/production/endpoints/primary available"}
	if !slices.Equal(names(l), want) {
		t.Errorf("got %q, want %q", names(l), want)
	}
	// A search sees both, as a program may have the host of either.
	for _, host := range []string{"instance-1.example", "ep-a.example"} {
		if found, _, err := inventory.Find(t.Context(), c, func(e inventory.Entry) bool { return e.Host == host }); err != nil || found == nil {
			t.Errorf("%s: %v, %v", host, found, err)
		}
	}
}

// withReplies is a client of a workspace with fixed replies by path, and 404 for
// others.
func withReplies(t *testing.T, replies map[string]string) *workspace.Client {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reply, ok := replies[r.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(reply)) // the client reports what it lacks
	}))
	t.Cleanup(service.Close)
	c := workspace.New(workspace.Options{Config: &sdkconfig.Config{Host: service.URL, Token: "x"}})
	t.Cleanup(c.Close)
	return c
}

// fail breaks the API until the test ends.
func fail(t *testing.T, s *local.Server, fault local.APIFault) {
	t.Helper()
	if err := s.SetFaults(local.Faults{API: fault}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.SetFaults(local.Faults{}); err != nil {
			t.Error(err)
		}
	})
}
