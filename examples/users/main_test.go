package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

// As a deployed app, with a service principal that may connect and create: two users
// see their own notes alone, a third has no role and is told so, and so are requests
// without a token or with one that is no good.
func TestUsersSeeTheirOwnNotes(t *testing.T) {
	server := lakebasetest.New(t, local.Options{Projects: []string{"my-project"}})
	ann, bob, eve := user(t, server, "ann@example.com", true), user(t, server, "bob@example.com", true), user(t, server, "eve@example.com", false)
	lakebasetest.SetenvApp(t, server, "notes", "projects/my-project")
	url, log, stop := start(t)

	request(t, http.MethodPost, url, ann, "buy milk", http.StatusCreated)
	request(t, http.MethodPost, url, bob, "feed the cat", http.StatusCreated)
	for token, want := range map[string]string{ann: "ann@example.com: buy milk", bob: "bob@example.com: feed the cat"} {
		var got struct {
			User  string
			Notes []note
		}
		if err := json.Unmarshal([]byte(request(t, http.MethodGet, url, token, "", http.StatusOK)), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Notes) != 1 || got.User+": "+got.Notes[0].Text != want {
			t.Errorf("a user sees %v, want %q", got, want)
		}
	}
	for _, test := range []struct {
		token  string
		status int
		text   string
	}{
		{eve, http.StatusForbidden, "no role in the database"},
		{"", http.StatusUnauthorized, "Reload"},
		{"not-a-token", http.StatusUnauthorized, "Reload"},
	} {
		if text := request(t, http.MethodGet, url, test.token, "", test.status); !strings.Contains(text, test.text) {
			t.Errorf("answered %q, want %q in it", text, test.text)
		}
	}
	revoke(t, server)
	if text := request(t, http.MethodPost, url, ann, "one more", http.StatusForbidden); !strings.Contains(text, "privilege") {
		t.Errorf("without the privilege to add notes: %q", text)
	}
	if !strings.Contains(log.String(), "eve@example.com") {
		t.Error("the log does not say which user has no role")
	}
	if err := stop(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	for deadline := time.Now().Add(10 * time.Second); server.Stats().Connections > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections stay open", server.Stats().Connections)
		}
	}
	for _, token := range []string{ann, bob, eve} {
		if strings.Contains(log.String(), token) {
			t.Error("the log has a token")
		}
	}
}

// user creates a user of the workspace, with a Postgres role or without, and returns a
// token of the workspace, as Databricks Apps forward it.
func user(t *testing.T, server *local.Server, name string, role bool) (token string) {
	t.Helper()
	if _, err := server.CreatePrincipal(name); err != nil {
		t.Fatal(err)
	}
	if role {
		execute(t, lakebasetest.Config(t, server, "projects/my-project"), "SELECT databricks_create_role('"+name+"', 'USER')")
	}
	token, err := server.Mint(local.MintOptions{Subject: name, Workspace: true})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// revoke takes from all users the privilege to add notes, as the app that granted it.
func revoke(t *testing.T, server *local.Server) {
	t.Helper()
	execute(t, lakebasetest.AppConfig(t, server, "notes", "projects/my-project"), "REVOKE INSERT ON notes.note FROM PUBLIC")
}

func execute(t *testing.T, cfg *lakebase.Config, sql string) {
	t.Helper()
	connector, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer connector.Close()
	conn, err := connector.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// start runs the service on a free port. stop ends it as a signal does.
func start(t *testing.T) (url string, log *lockedBuffer, stop func() error) {
	t.Helper()
	t.Setenv("DATABRICKS_APP_PORT", "0")
	ctx, cancel := context.WithCancel(t.Context())
	log = new(lockedBuffer)
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, slog.New(slog.NewTextHandler(log, nil))) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { _ = stop() }) // reported where the test asks
	listening := regexp.MustCompile(`msg=listening address=\S*:(\d+)`)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := listening.FindStringSubmatch(log.String()); found != nil {
			return "http://127.0.0.1:" + found[1], log, stop
		}
	}
	t.Fatalf("the service does not listen:\n%s", log.String())
	return "", nil, nil
}

func request(t *testing.T, method, url, token, body string, want int) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+"/notes", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("X-Forwarded-Access-Token", token)
	}
	r.Header.Set("X-Forwarded-Email", "ann@example.com") // counts for nothing
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != want {
		t.Fatalf("%s answered %d %s, want %d", method, response.StatusCode, text, want)
	}
	return string(text)
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
