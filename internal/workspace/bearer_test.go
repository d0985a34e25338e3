package workspace

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

// Calls on behalf of another identity send its token of that moment and nothing of the
// client's own login, which is never made; the workspace's metadata is asked for once.
// Each call has a connection of its own, which ends with it.
func TestOnBehalfSendsTheTokenItIsGiven(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent []string
	open := map[net.Conn]bool{}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.URL.Path+" "+r.Header.Get("Authorization")+" "+r.Header.Get("X-Databricks-Org-Id"))
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"userName":"ann@example.com","workspace_id":"42"}`))
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		if open[c] = true; state == http.StateClosed {
			delete(open, c)
		}
	}
	server.Start()
	t.Cleanup(server.Close)

	c := newClient(t, &sdkconfig.Config{Host: server.URL, ClientID: "app", ClientSecret: clientSecret})
	token := "first"
	user := c.OnBehalf(func() string { return token })
	for range 2 {
		if me, err := user.Identity(t.Context()); err != nil || me.Name != "ann@example.com" {
			t.Fatal(me, err)
		}
		token = "second"
	}
	mu.Lock()
	got := slices.Clone(sent)
	mu.Unlock()
	const me = "/api/2.0/preview/scim/v2/Me"
	if want := []string{metadataPath + "  ", me + " Bearer first 42", me + " Bearer second 42"}; !slices.Equal(got, want) {
		t.Errorf("the workspace got %q, want %q", got, want)
	}
	testkit.Eventually(t, "the end of all connections but that for the metadata", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(open) <= 1
	})
}

// The end of a Client is that of the others that act on behalf with it; theirs ends
// nothing.
func TestOnBehalfEndsWithItsClient(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"userName":"ann@example.com"}`))
	}))
	t.Cleanup(server.Close)
	c := newClient(t, &sdkconfig.Config{Host: server.URL, Token: pat})
	user := c.OnBehalf(func() string { return "token" })
	user.Close()
	user.CloseIdle()
	if _, err := user.Identity(t.Context()); err != nil {
		t.Error(err)
	}
	c.Close()
	if _, err := user.Identity(t.Context()); asError(t, err).Code != codeClosed {
		t.Errorf("got %v", err)
	}
	nowhere := newClient(t, &sdkconfig.Config{Loaders: []sdkconfig.Loader{noSettings{}}}).OnBehalf(func() string { return "token" })
	if _, err := nowhere.Identity(t.Context()); err == nil || !asError(t, err).Auth {
		t.Errorf("without a host: %v", err)
	}
}

// noSettings stands in the place of the environment.
type noSettings struct{}

func (noSettings) Name() string                      { return "none" }
func (noSettings) Configure(*sdkconfig.Config) error { return nil }
