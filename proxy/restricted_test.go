package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

func post(r *http.Request) { r.Method = http.MethodPost }

// ofPage makes a request one that a browser sends for a page of another host.
func ofPage(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }

// A POST of this machine, and nothing else, ends the proxy, where that is wanted.
func TestQuitRequest(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	if status, _, _ := r.get("/quitquitquit", post); status != http.StatusNotFound {
		t.Error("without OnQuit", status)
	}
	calls := make(chan bool, 9)
	r = start(t, proxy.Config{HTTPListen: "127.0.0.1:0", OnQuit: func() { calls <- true }})
	for what, c := range map[string]struct {
		status int
		change []func(*http.Request)
	}{
		"GET":              {http.StatusMethodNotAllowed, nil},
		"POST of a page":   {http.StatusForbidden, []func(*http.Request){post, ofPage}},
		"POST of a domain": {http.StatusMisdirectedRequest, []func(*http.Request){post, func(r *http.Request) { r.Host = "rebound.example" }}},
	} {
		if status, _, _ := r.get("/quitquitquit", c.change...); status != c.status {
			t.Errorf("%s: %d, want %d", what, status, c.status)
		}
	}
	if len(calls) > 0 {
		t.Error("ended by another request")
	}
	if status, body, _ := r.get("/quitquitquit", post); status != http.StatusOK || body != "ok\n" || len(calls) != 1 {
		t.Errorf("%d %q, %d calls", status, body, len(calls))
	}
}

// Profiles are shown on request, and without the arguments of the program.
func TestProfiles(t *testing.T) {
	t.Parallel()
	r := start(t, proxy.Config{HTTPListen: "127.0.0.1:0"})
	if status, _, _ := r.get("/debug/pprof/heap"); status != http.StatusNotFound {
		t.Error("without Debug", status)
	}
	r = start(t, proxy.Config{HTTPListen: "127.0.0.1:0", Debug: true})
	if status, body, _ := r.get("/debug/pprof/goroutine?debug=1"); status != http.StatusOK || !strings.Contains(body, "goroutine profile") {
		t.Error(status, body)
	}
	if status, _, _ := r.get("/debug/pprof/profile?seconds=1"); status != http.StatusOK {
		t.Error("no profile", status)
	}
	if status, body, _ := r.get("/debug/pprof/cmdline"); status != http.StatusNotFound {
		t.Error(status, body)
	}
}
