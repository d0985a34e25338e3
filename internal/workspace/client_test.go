package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

const pat = "dapi0123456789abcdef0123456789abcdef"

// service is a workspace with configured replies. It records the requests.
type service struct {
	*httptest.Server
	mux *http.ServeMux

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
	release  chan struct{} // closed at the end, so that hung handlers return
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{mux: http.NewServeMux(), release: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.bodies = append(s.bodies, string(body))
		s.mu.Unlock()
		s.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		close(s.release)
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// answer makes the service reply to pattern with body, a text or a value to encode.
func (s *service) answer(pattern string, status int, body any, header ...string) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { send(w, status, body, header...) })
}

func send(w http.ResponseWriter, status int, body any, header ...string) {
	w.Header().Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	if text, ok := body.(string); ok {
		io.WriteString(w, text)
		return
	}
	json.NewEncoder(w).Encode(body)
}

func (s *service) hang(pattern string) {
	s.mux.HandleFunc(pattern, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-s.release:
		case <-r.Context().Done():
		}
	})
}

// count returns the number of requests with that method and path.
func (s *service) count(method, path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, r := range s.requests {
		if r.Method == method && r.URL.Path == path {
			n++
		}
	}
	return n
}

// last returns the latest request, and its body.
func (s *service) last(t *testing.T) (*http.Request, string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) == 0 {
		t.Fatal("no request arrived")
	}
	return s.requests[len(s.requests)-1], s.bodies[len(s.bodies)-1]
}

// client logs in with a personal access token.
func (s *service) client(t *testing.T) *Client {
	t.Helper()
	return newClient(t, &sdkconfig.Config{Host: s.URL, Token: pat})
}

func newClient(t *testing.T, config *sdkconfig.Config) *Client {
	t.Helper()
	c := New(Options{Config: config, Logger: slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	t.Cleanup(c.Close)
	return c
}

// testWriter fails the test if the log has a secret.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	if strings.Contains(string(p), pat) || strings.Contains(string(p), clientSecret) {
		w.t.Errorf("the log has a secret: %s", p)
	}
	return len(p), nil
}

func asError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v (%T) is no *Error", err, err)
	}
	if text := err.Error(); strings.ContainsAny(text, "\r\n") || strings.Contains(text, pat) || strings.Contains(text, clientSecret) {
		t.Errorf("error text of several lines, or with a secret: %q", text)
	}
	return e
}

func TestMeSendsItsLogin(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/preview/scim/v2/Me", 200, `{"id":"1","userName":"me@example.com","active":true}`)
	c := s.client(t)
	if me, err := c.Identity(t.Context()); err != nil || me.Name != "me@example.com" {
		t.Errorf("Me = %q, %v", me, err)
	}
	r, _ := s.last(t)
	for k, want := range map[string]string{
		"Authorization": "Bearer " + pat,
		"Accept":        "application/json",
		"User-Agent":    userAgent,
		"Content-Type":  "",
	} {
		if got := r.Header.Get(k); got != want {
			t.Errorf("%s: %q, want %q", k, got, want)
		}
	}
	if !strings.HasPrefix(userAgent, "lakebase-go/") {
		t.Errorf("user agent %q", userAgent)
	}
	if r.RequestURI != "/api/2.0/preview/scim/v2/Me?excludedAttributes=entitlements" {
		t.Errorf("asked for %s", r.RequestURI)
	}
	if host := c.Host(); host != s.URL {
		t.Errorf("Host = %q", host)
	}
}

func TestMeWithoutUser(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/preview/scim/v2/Me", 200, `{}`)
	_, err := s.client(t).Identity(t.Context())
	if e := asError(t, err); e.Code != codeMalformed {
		t.Errorf("error %v", err)
	}
}

func TestInstance(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/database/instances/full", 200, `{"name":"full","uid":"u-1","state":"AVAILABLE","pg_version":"PG_VERSION_16",
		"read_write_dns":"instance-u.database.example.com","read_only_dns":"instance-ro-u.database.example.com","effective_enable_pg_native_login":true,"some_new_field":{}}`)
	s.answer("GET /api/2.0/database/instances/bare", 200, `{"effective_stopped":true}`)
	s.answer("GET /api/2.0/database/instances/{name}", 200, `{"state":"STARTING"}`)
	c := s.client(t)
	for name, want := range map[string]struct {
		instance Instance
		state    State
	}{
		"full": {Instance{Name: "full", RawState: "AVAILABLE",
			ReadWriteDNS: "instance-u.database.example.com", ReadOnlyDNS: "instance-ro-u.database.example.com"}, Available},
		"bare":         {Instance{Name: "bare", EffectiveStopped: true}, Stopped},
		"a/b?c#d e%2F": {Instance{Name: "a/b?c#d e%2F", RawState: "STARTING"}, Starting},
	} {
		got, err := c.Instance(t.Context(), name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *got != want.instance || got.State() != want.state {
			t.Errorf("%s: %+v is %s, want %+v", name, *got, got.State(), want)
		}
	}
	for raw, want := range map[string]State{
		"STARTING": Starting, "INIT": Starting, "STOPPED": Stopped, "DELETING": Deleting, "FAILING_OVER": FailingOver,
		"UPDATING": Available, "IDLE": Available, "ACTIVE": Available, "DEGRADED": Available, "SOMETHING_NEW": Available, "": Available,
	} {
		if got := stateOf(raw); got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	s := newService(t)
	pages := func(path, field string, items ...string) {
		s.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("page_size") != "100" {
				t.Errorf("%s?%s: no page size", path, r.URL.RawQuery)
			}
			i := 0
			fmt.Sscanf(r.URL.Query().Get("page_token"), "p&%d", &i)
			next := ""
			if i+1 < len(items) {
				next = fmt.Sprintf(`,"next_page_token":"p&%d"`, i+1)
			}
			send(w, 200, fmt.Sprintf(`{%q:[%s]%s}`, field, items[i], next))
		})
	}
	pages("/api/2.0/database/instances", "database_instances", `{"name":"a","state":"AVAILABLE"},{"name":"b","state":"STOPPED"}`, `{"name":"c","state":"DELETING"}`, ``)
	pages("/api/2.0/postgres/projects", "projects", `{"name":"projects/p","uid":"u","status":{"default_branch":"x"}}`, `{"name":"projects/q"}`)
	pages("/api/2.0/postgres/projects/p/branches", "branches", `{"name":"projects/p/branches/b","uid":"u","status":{"default":true,"current_state":"READY"}}`, `{"name":"projects/p/branches/c"}`)
	pages("/api/2.0/postgres/projects/p/branches/b/endpoints", "endpoints",
		`{"name":"projects/p/branches/b/endpoints/e","uid":"ep-1","status":{"endpoint_type":"ENDPOINT_TYPE_READ_WRITE","current_state":"IDLE","hosts":{"host":"h","read_only_host":"ro","read_write_pooled_host":"hp","read_only_pooled_host":"rop"}}}`,
		`{"name":"projects/p/branches/b/endpoints/r","status":{"endpoint_type":"ENDPOINT_TYPE_READ_ONLY","current_state":"ACTIVE","disabled":true,"hosts":{"host":"r"}}},{"name":"projects/p/branches/b/endpoints/s","spec":{"endpoint_type":"ENDPOINT_TYPE_READ_ONLY"}}`)
	c := s.client(t)
	ctx := t.Context()

	check := func(name string, got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	instances, err := c.Instances(ctx)
	check("instances", instances, err, []Instance{
		{Name: "a", RawState: "AVAILABLE"}, {Name: "b", RawState: "STOPPED"}, {Name: "c", RawState: "DELETING"},
	})
	projects, err := c.Projects(ctx)
	check("projects", projects, err, []Named{{Name: "projects/p"}, {Name: "projects/q"}})
	for _, project := range []string{"p", "projects/p"} {
		branches, err := c.Branches(ctx, project)
		b := Named{Name: "projects/p/branches/b"}
		b.Status.Default, b.Status.State = true, "READY"
		check("branches", branches, err, []Named{b, {Name: "projects/p/branches/c"}})
	}
	endpoints, err := c.Endpoints(ctx, "projects/p/branches/b")
	type endpoint struct {
		name           string
		readOnly       bool
		state          State
		raw            string
		host, readHost string
	}
	var got []endpoint
	for _, e := range endpoints {
		got = append(got, endpoint{e.Name, e.ReadOnly(), e.State(), e.Status.State, e.Status.Hosts.Host, e.Status.Hosts.ReadOnly})
	}
	check("endpoints", got, err, []endpoint{
		{"projects/p/branches/b/endpoints/e", false, Available, "IDLE", "h", "ro"},
		{"projects/p/branches/b/endpoints/r", true, Stopped, "ACTIVE", "r", ""},
		{"projects/p/branches/b/endpoints/s", true, Available, "", "", ""},
	})
}

func TestListWithRepeatedPagesEnds(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/database/instances", 200, `{"database_instances":[{"name":"a"}],"next_page_token":"again"}`)
	_, err := s.client(t).Instances(t.Context())
	if e := asError(t, err); e.Code != codeMalformed {
		t.Errorf("error %v", err)
	}
	if n := s.count("GET", "/api/2.0/database/instances"); n != 2 {
		t.Errorf("%d requests", n)
	}
}

func TestEndpoint(t *testing.T) {
	t.Parallel()
	s := newService(t)
	const path = "projects/p/branches/b/endpoints/e"
	s.answer("GET /api/2.0/postgres/"+path, 200, `{"uid":"ep-1","status":{"current_state":"INIT","hosts":{"host":"h"}}}`)
	got, err := s.client(t).Endpoint(t.Context(), path)
	if err != nil || got.Name != path || got.State() != Starting || got.Status.State != "INIT" || got.Status.Hosts.Host != "h" || got.ReadOnly() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBadNamesAreNotSent(t *testing.T) {
	t.Parallel()
	s := newService(t)
	c := s.client(t)
	ctx := t.Context()
	instance := func(name string) error { _, err := c.Instance(ctx, name); return err }
	branches := func(name string) error { _, err := c.Branches(ctx, name); return err }
	endpoints := func(name string) error { _, err := c.Endpoints(ctx, name); return err }
	endpoint := func(name string) error { _, err := c.Endpoint(ctx, name); return err }
	mintInstance := func(name string) error { _, err := c.InstanceCredential(ctx, name, nil); return err }
	mintEndpoint := func(name string) error { _, err := c.EndpointCredential(ctx, name, 0, nil); return err }
	for name, try := range map[string]struct {
		call func(string) error
		arg  string
	}{
		"no instance":              {instance, ""},
		"dot":                      {instance, "."},
		"dots":                     {instance, ".."},
		"line break":               {instance, "a\nb"},
		"too long":                 {instance, strings.Repeat("a", 256)},
		"mint: no instance":        {mintInstance, ""},
		"no project":               {branches, ""},
		"wrong collection":         {branches, "catalogs/p"},
		"project of a branch":      {branches, "projects/p/branches/b"},
		"branch that is a project": {endpoints, "projects/p"},
		"branch with dots":         {endpoints, "projects/../branches/b"},
		"endpoint that is short":   {endpoint, "projects/p/branches/b"},
		"endpoint that is long":    {endpoint, "projects/p/branches/b/endpoints/e/x"},
		"endpoint without an id":   {endpoint, "projects/p/branches/b/endpoints/"},
		"mint: bad endpoint":       {mintEndpoint, "ep-cool-name-123"},
	} {
		e := asError(t, try.call(try.arg))
		if e.Code != codeInvalid || e.Temporary() || e.Auth {
			t.Errorf("%s: %v", name, e)
		}
	}
	if len(s.requests) != 0 {
		t.Errorf("%d requests were sent", len(s.requests))
	}
}

func TestHangEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.hang("GET /api/2.0/database/instances/x")
	s.mux.HandleFunc("GET /api/2.0/database/instances/half", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		io.WriteString(w, `{"name":`)
		w.(http.Flusher).Flush()
		<-s.release
	})
	c := s.client(t)
	_, _ = c.Instance(t.Context(), "absent") // logs in, so that only the call hangs
	for _, name := range []string{"x", "half"} {
		because := errors.New("no patience")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, because)
		start := time.Now()
		_, err := c.Instance(ctx, name)
		cancel()
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: returned after %s", name, d)
		}
		e := asError(t, err)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, because) || !e.Temporary() || e.Auth {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// http.Transport continues to dial when a request has ended, for the next one.
// After Close there is none, and the dial must not go on until its timeout.
func TestCloseEndsConnecting(t *testing.T) {
	asked, ended := make(chan struct{}), make(chan struct{})
	var ask, end sync.Once
	system := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = system })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		ask.Do(func() { close(asked) })
		<-ctx.Done() // each of the lookups of both kinds of addresses
		end.Do(func() { close(ended) })
		return nil, ctx.Err()
	}}
	c := newClient(t, &sdkconfig.Config{Host: "https://nowhere.invalid", Token: pat})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() {
		_, err := c.Identity(ctx)
		result <- err
	}()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.Close()
	select {
	case <-ended:
	case <-time.After(3 * time.Second): // Go's resolver would wait for 5
		t.Fatal("the dial goes on")
	}
}

func TestUnreachableHost(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := "http://" + l.Addr().String()
	l.Close() // nothing listens there now
	for name, config := range map[string]*sdkconfig.Config{
		"pat": {Host: host, Token: pat},
		"m2m": {Host: host, ClientID: clientID, ClientSecret: clientSecret},
	} {
		start := time.Now()
		_, err := newClient(t, config).Identity(t.Context())
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%s: returned after %s", name, d)
		}
		e := asError(t, err)
		if !e.Temporary() || e.Status != 0 || e.Auth != (name == "m2m") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongReplyIsRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/database/instances/x", 200, `{"name":"`+strings.Repeat("x", maxReply)+`"}`)
	_, err := s.client(t).Instance(t.Context(), "x")
	if e := asError(t, err); e.Code != codeMalformed || !strings.Contains(err.Error(), "longer than 1048576 bytes") {
		t.Errorf("error %v", err)
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.mux.Handle("POST /api/2.0/database/credentials", http.RedirectHandler("/login.html?next=secret", http.StatusFound))
	_, err := s.client(t).InstanceCredential(t.Context(), "x", nil)
	e := asError(t, err)
	if e.Status != 302 || e.Temporary() || !strings.Contains(err.Error(), s.URL+"/login.html; check") || strings.Contains(err.Error(), "next") {
		t.Errorf("error %v", err)
	}
	if s.count("GET", "/login.html") != 0 {
		t.Error("followed")
	}
}

func TestCustomTransport(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /api/2.0/preview/scim/v2/Me", 200, `{"userName":"me"}`)
	var mu sync.Mutex
	var paths []string
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	config := &sdkconfig.Config{Host: s.URL, Token: pat, HTTPTransport: roundTripper(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		return transport.RoundTrip(r)
	})}
	if _, err := newClient(t, config).Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := []string{metadataPath, "/api/2.0/preview/scim/v2/Me"}; !reflect.DeepEqual(paths, want) {
		t.Errorf("went through it: %v, want %v", paths, want)
	}
	if _, ok := config.HTTPTransport.(roundTripper); !ok || config.Credentials != nil || len(config.Loaders) != 0 {
		t.Error("the caller's configuration was changed")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCertificateIsVerified(t *testing.T) {
	t.Parallel()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		send(w, 200, `{"userName":"me"}`)
	}))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	defer srv.Close()
	_, err := newClient(t, &sdkconfig.Config{Host: srv.URL, Token: pat}).Identity(t.Context())
	if e := asError(t, err); e.Status != 0 || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
	c := newClient(t, &sdkconfig.Config{Host: srv.URL, Token: pat, InsecureSkipVerify: true})
	if _, err := c.Identity(t.Context()); err != nil {
		t.Errorf("InsecureSkipVerify: %v", err)
	}
	c.Close()
}
