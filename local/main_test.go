package local_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// shared is a server for tests whose changes do not affect other tests.
var shared struct {
	sync.Once
	server *local.Server
	err    error
}

func TestMain(m *testing.M) {
	// Dependencies of the official SDK start goroutines before main.
	ours := goleak.IgnoreCurrent()
	code := m.Run()
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close the shared server:", err)
			code = 1
		}
	}
	if err := goleak.Find(ours); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func sharedServer(t *testing.T) *local.Server {
	t.Helper()
	shared.Do(func() { shared.server, shared.err = local.Start(context.Background(), local.Options{}) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// start starts a server that ends with the test.
func start(t *testing.T, o local.Options) *local.Server {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := local.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return s
}

// object is any JSON object.
type object = map[string]any

// api calls a server's REST API with a token.
type api struct {
	t     testing.TB
	url   string
	token string
	http  *http.Client
}

func newAPI(t testing.TB, s *local.Server) *api {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &api{t: t, url: s.WorkspaceURL(), token: s.Token(), http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// as returns the same API with another token.
func (a *api) as(token string) *api {
	other := *a
	other.token = token
	return &other
}

// try makes a call and returns the reply.
func (a *api) try(method, path string, body any) (*http.Response, object, error) {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return nil, nil, err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, a.url+path, in)
	if err != nil {
		return nil, nil, err
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp, nil, err
	}
	var out object
	if strings.HasPrefix(strings.TrimSpace(string(data)), "{") {
		err = json.Unmarshal(data, &out)
	}
	return resp, out, err
}

// ok makes a call that must succeed.
func (a *api) ok(method, path string, body any) object {
	a.t.Helper()
	resp, out, err := a.try(method, path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s %s: status %d, %v", method, path, resp.StatusCode, out)
	}
	return out
}

// refused makes a call that must fail with status and code, and with a
// message that contains text. It returns the whole body.
func (a *api) refused(method, path string, body any, status int, code, text string) object {
	a.t.Helper()
	resp, out, err := a.try(method, path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	message, _ := out["message"].(string)
	if resp.StatusCode != status || out["error_code"] != code || !strings.Contains(message, text) {
		a.t.Errorf("%s %s: got %d %v %q, want %d %s %q", method, path, resp.StatusCode, out["error_code"], message, status, code, text)
	}
	return out
}

// wait makes a call that begins a long-running operation and waits for its end.
func (a *api) wait(method, path string, body any) object {
	a.t.Helper()
	op := a.ok(method, path, body)
	name := op["name"].(string)
	testkit.Eventually(a.t, "operation "+name, func() bool {
		op = a.ok("GET", "/api/2.0/postgres/"+name, nil)
		return op["done"] == true
	})
	if op["error"] != nil {
		a.t.Fatalf("%s %s: %v", method, path, op["error"])
	}
	response, _ := op["response"].(object)
	return response
}

// at follows keys into nested objects.
func at(o any, keys ...string) any {
	for _, k := range keys {
		m, _ := o.(object)
		o = m[k]
	}
	return o
}
