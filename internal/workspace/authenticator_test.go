package workspace

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
	"github.com/databricks/databricks-sdk-go/config/credentials"
)

const (
	clientID     = "11111111-2222-3333-4444-555555555555"
	clientSecret = "dose-client-secret-that-must-not-show"
	tokenPath    = "/oidc/v1/token"
	mePath       = "/api/2.0/preview/scim/v2/Me"
)

// oauth is a service with a machine-to-machine login.
type oauth struct {
	*service
	issued  atomic.Int32
	revoked atomic.Int32 // tokens up to this one are refused
	refuse  func(w http.ResponseWriter) bool
}

func newOAuth(t *testing.T) *oauth {
	o := &oauth{service: newService(t), refuse: func(http.ResponseWriter) bool { return false }}
	o.answer("GET "+metadataPath, 200, `{"oidc_endpoint":"`+o.URL+`/oidc","workspace_id":"4711","cloud":"AWS","host_type":"workspace"}`)
	o.answer("GET /oidc/.well-known/oauth-authorization-server", 200, `{"authorization_endpoint":"`+o.URL+`/oidc/v1/authorize","token_endpoint":"`+o.URL+tokenPath+`"}`)
	o.mux.HandleFunc("POST "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
		if o.refuse(w) {
			return
		}
		if id, secret, _ := r.BasicAuth(); id != clientID || secret != clientSecret {
			send(w, 401, `{"error":"invalid_client","error_description":"Client authentication failed"}`)
			return
		}
		send(w, 200, fmt.Sprintf(`{"access_token":"workspace-token-%d","token_type":"Bearer","expires_in":3600}`, o.issued.Add(1)))
	})
	o.mux.HandleFunc("GET "+mePath, func(w http.ResponseWriter, r *http.Request) {
		var n int32
		if _, err := fmt.Sscanf(r.Header.Get("Authorization"), "Bearer workspace-token-%d", &n); err != nil || n <= o.revoked.Load() {
			send(w, 401, `{"error_code":"UNAUTHENTICATED","message":"token is expired"}`)
			return
		}
		send(w, 200, `{"userName":"`+clientID+`"}`)
	})
	return o
}

func (o *oauth) config() *sdkconfig.Config {
	return &sdkconfig.Config{Host: o.URL, ClientID: clientID, ClientSecret: clientSecret}
}

func TestMachineToMachine(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	c := newClient(t, o.config())
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if me, err := c.Identity(t.Context()); err != nil || me.Name != clientID {
				t.Errorf("Me = %q, %v", me, err)
			}
		})
		wg.Go(func() {
			if host := c.Host(); host != "" && host != o.URL {
				t.Errorf("Host = %q", host)
			}
		})
	}
	wg.Wait()
	if n := o.issued.Load(); n != 1 {
		t.Errorf("%d tokens for 20 calls", n)
	}
	if n := o.count("GET", metadataPath); n != 1 {
		t.Errorf("%d questions for metadata", n)
	}
	r, _ := o.last(t)
	if got := r.Header.Get("X-Databricks-Org-Id"); got != "4711" || r.Header.Get("X-Databricks-Workspace-Id") != got {
		t.Errorf("org id %q", got)
	}
}

func TestMachineToMachineWithoutMetadata(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]string{
		"none":        "",
		"empty":       `{}`,
		"placeholder": `{"oidc_endpoint":"http://127.0.0.1:1/oidc/accounts/{account_id}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			if metadata != "" {
				s.answer("GET "+metadataPath, 200, metadata)
			}
			s.answer("GET /oidc/.well-known/oauth-authorization-server", 200, `{"token_endpoint":"`+s.URL+tokenPath+`"}`)
			s.answer("POST "+tokenPath, 200, `{"access_token":"workspace-token-1","token_type":"Bearer","expires_in":3600}`)
			s.answer("GET "+mePath, 200, `{"userName":"sp"}`)
			config := &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret}
			if _, err := newClient(t, config).Identity(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestRefusedWorkspaceTokenIsReplaced(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	c := newClient(t, o.config())
	if _, err := c.Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.revoked.Store(o.issued.Load())
	_, err := c.Identity(t.Context())
	if e := asError(t, err); e.Status != 401 || e.Temporary() || e.Auth {
		t.Errorf("error %v", err)
	}
	if _, err := c.Identity(t.Context()); err != nil {
		t.Errorf("the refused token is sent again: %v", err)
	}
	if n := o.issued.Load(); n != 2 {
		t.Errorf("%d tokens", n)
	}
}

func TestWrongSecret(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	config := o.config()
	config.ClientSecret = clientSecret + "-but-wrong"
	_, err := newClient(t, config).Identity(t.Context())
	e := asError(t, err)
	if !e.Auth || e.Status != 401 || e.Temporary() || e.Code != "invalid_client" {
		t.Errorf("%#v", e)
	}
	if want := "workspace login: POST /oidc/v1/token: 401 invalid_client: Client authentication failed"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if o.count("GET", mePath) != 0 {
		t.Error("called without a login")
	}
}

// A login that is refused with its own secrets does not show them.
func TestRefusedLoginDoesNotQuoteItsSecrets(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	o.mux.HandleFunc("POST /quoting", func(w http.ResponseWriter, r *http.Request) {
		send(w, 401, map[string]string{"error": "no", "error_description": "not " + clientSecret + " in " + r.Header.Get("Authorization")})
	})
	r := newRedirects(t, 0, "/none", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		send(w, 200, `{"token_endpoint":"`+o.URL+`/quoting"}`)
	}))
	config := o.config()
	config.Host = r.URL
	_, err := newClient(t, config).Identity(t.Context())
	basic := base64.StdEncoding.EncodeToString([]byte(clientID + ":" + clientSecret))
	if err == nil || !strings.Contains(err.Error(), "not [redacted] in [redacted]") || strings.Contains(err.Error(), clientSecret) || strings.Contains(err.Error(), basic) {
		t.Errorf("error %v", err)
	}
}

func TestSecretWithLineBreak(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	config := o.config()
	config.ClientSecret += "\n"
	config.Host += " "
	if _, err := newClient(t, config).Identity(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLoginRecoversFromTemporaryFailures(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		refuse func(w http.ResponseWriter)
		want   Error
	}{
		"too many": {func(w http.ResponseWriter) { send(w, 429, `{"error":"slow_down"}`, "Retry-After", "30") },
			Error{Status: 429, Message: "slow_down", RetryAfter: 30 * time.Second}},
		"unavailable": {func(w http.ResponseWriter) { send(w, 503, "") }, Error{Status: 503}},
		"bad gateway": {func(w http.ResponseWriter) { send(w, 502, "<html><title>oops</title>") }, Error{Status: 502, Message: "oops"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOAuth(t)
			var down atomic.Bool
			down.Store(true)
			o.refuse = func(w http.ResponseWriter) bool {
				if down.Load() {
					tt.refuse(w)
				}
				return down.Load()
			}
			c := newClient(t, o.config())
			start := time.Now()
			_, err := c.Identity(t.Context())
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("returned after %s", d)
			}
			e := asError(t, err)
			tt.want.Op, tt.want.Auth = "workspace login: POST /oidc/v1/token", true
			if *e != tt.want || !e.Temporary() {
				t.Errorf("%#v, want %#v", *e, tt.want)
			}
			if n := o.count("POST", tokenPath); n != 1 {
				t.Errorf("the SDK repeated it: %d requests", n)
			}
			down.Store(false)
			if _, err := c.Identity(t.Context()); err != nil {
				t.Errorf("does not recover: %v", err)
			}
		})
	}
}

// The SDK retries errors with 429 anywhere in their text, which includes the
// address.
func TestAddressWithTheDigitsOfAStatusIsNotRetried(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]roundTripper{
		"no answer":   func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") },
		"unavailable": func(r *http.Request) (*http.Response, error) { return bare(r, 503), nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			config := &sdkconfig.Config{Host: "https://adb-4290429042904290.4.azuredatabricks.net", ClientID: clientID, ClientSecret: clientSecret,
				HTTPTransport: roundTripper(func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, "oauth-authorization-server") {
						asked.Add(1)
					}
					return answer(r)
				})}
			_, err := newClient(t, config).Identity(t.Context())
			if e := asError(t, err); !e.Auth || !e.Temporary() {
				t.Errorf("%#v", e)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the SDK repeated it: %d requests", n)
			}
		})
	}
}

func bare(r *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: r}
}

func TestFailedDiscoveryIsTemporary(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET /oidc/.well-known/oauth-authorization-server", 503, "")
	_, err := newClient(t, &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret}).Identity(t.Context())
	if e := asError(t, err); !e.Auth || e.Status != 503 || !e.Temporary() {
		t.Errorf("%#v", e)
	}
}

func TestLoginThatHangsEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"GET " + metadataPath, "GET /oidc/.well-known/oauth-authorization-server"} {
		t.Run(pattern, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.hang(pattern)
			c := newClient(t, &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret})
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			start := time.Now()
			_, err := c.Identity(ctx)
			if d := time.Since(start); d > metadataTimeout*9/10 {
				t.Errorf("returned after %s", d)
			}
			e := asError(t, err)
			if !errors.Is(err, context.DeadlineExceeded) || !e.Auth || !e.Temporary() {
				t.Errorf("error %v", err)
			}
			c.Close() // and the goroutine behind it ends: see TestMain
			if _, err := c.Identity(t.Context()); asError(t, err).Code != codeClosed {
				t.Errorf("after Close: %v", err)
			}
		})
	}
}

func TestHangIsNotTheCallersCancellation(t *testing.T) {
	t.Parallel()
	for _, body := range []bool{false, true} {
		t.Run(fmt.Sprintf("body=%t", body), func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.mux.HandleFunc("POST "+tokenPath, func(w http.ResponseWriter, r *http.Request) {
				if body {
					w.Write([]byte("{"))
					w.(http.Flusher).Flush()
				}
				<-s.release
			})
			s.answer("GET /oidc/.well-known/oauth-authorization-server", 200, `{"token_endpoint":"`+s.URL+tokenPath+`"}`)
			config := &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret, HTTPTimeoutSeconds: 1}
			_, err := newClient(t, config).Identity(t.Context())
			e := asError(t, err)
			if errors.Is(err, context.Canceled) || !e.Auth || !e.Temporary() || !strings.Contains(err.Error(), "no answer in time") {
				t.Errorf("error %v", err)
			}
			if n := s.count("POST", tokenPath); n != 1 {
				t.Errorf("the SDK repeated it: %d requests", n)
			}
		})
	}
}

func TestNoCredentials(t *testing.T) {
	t.Parallel()
	s := newService(t)
	missing := filepath.Join(t.TempDir(), "none")
	for name, tt := range map[string]struct {
		config *sdkconfig.Config
		want   string
	}{
		"host only":      {&sdkconfig.Config{Host: s.URL}, "cannot configure default credentials"},
		"nothing":        {&sdkconfig.Config{}, "no workspace configured"},
		"nil":            {nil, "no workspace configured"},
		"unknown method": {&sdkconfig.Config{Host: s.URL, AuthType: "telepathy"}, `auth type "telepathy" not found`},
		"two methods":    {&sdkconfig.Config{Host: s.URL, Token: pat, ClientID: clientID, ClientSecret: clientSecret}, "more than one way to log in to the workspace is set: oauth (client_id, client_secret) and pat (token)"},
		"bad host":       {&sdkconfig.Config{Host: "ftp://x", Token: pat}, "the workspace's host is not a URL"},
		"no such profile": {&sdkconfig.Config{Profile: "nowhere", ConfigFile: writeFile(t, "[other]\nhost = x\n")},
			"has no nowhere profile configured"},
		"no such file": {&sdkconfig.Config{Host: s.URL, ConfigFile: missing}, "cannot configure default credentials"},
	} {
		_, err := newClient(t, tt.config).Identity(t.Context())
		e := asError(t, err)
		setting := name == "two methods" || name == "bad host"
		if !e.Auth || e.Temporary() || e.IsSetting() != setting || !setting && e.Code != codeUnauthenticated || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "Config:") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "databrickscfg")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProfileIsReadAgainAfterARefusal(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.mux.HandleFunc("GET "+mePath, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+pat {
			send(w, 401, `{"error_code":"UNAUTHENTICATED","message":"Invalid Token"}`)
			return
		}
		send(w, 200, `{"userName":"me"}`)
	})
	path := writeFile(t, "[p]\nhost = "+s.URL+"\ntoken = dapi00000000000000000000000000000000\n")
	c := newClient(t, &sdkconfig.Config{Profile: "p", ConfigFile: path})
	if _, err := c.Identity(t.Context()); asError(t, err).Status != 401 {
		t.Errorf("error %v", err)
	}
	if err := os.WriteFile(path, []byte("[p]\nhost = "+s.URL+"\ntoken = "+pat+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Identity(t.Context()); err != nil {
		t.Errorf("the new token is not seen: %v", err)
	}
}

// fakeCLI is a databricks command that prints a token, or fails without one.
func fakeCLI(t *testing.T, token string) string {
	t.Helper()
	auth := `echo 'run databricks auth login' >&2; exit 1`
	if token != "" {
		auth = fmt.Sprintf(`echo '{"access_token":%q,"token_type":"Bearer","expiry":"2099-01-02T15:04:05Z"}'`, token)
	}
	script := "#!/bin/sh\ncase $1 in version) echo Databricks CLI v0.296.0;; *) " + auth + ";; esac\nexit\n"
	script += strings.Repeat("x", 1<<20) // the SDK takes a small file for the old Python program
	path := filepath.Join(t.TempDir(), "databricks")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCommandLineLogin(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	if _, err := newClient(t, &sdkconfig.Config{Host: o.URL, DatabricksCliPath: fakeCLI(t, "workspace-token-1")}).Identity(t.Context()); err != nil {
		t.Error(err)
	}
	// The SDK does not report why it did not use the command.
	_, err := newClient(t, &sdkconfig.Config{Host: o.URL, DatabricksCliPath: fakeCLI(t, "")}).Identity(t.Context())
	e := asError(t, err)
	if !e.Auth || e.Temporary() || !strings.Contains(err.Error(), "run databricks auth login") {
		t.Errorf("error %v", err)
	}
}

func TestFailedServicePrincipalIsAnError(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	config := o.config()
	config.ClientSecret = clientSecret + "-but-wrong"
	config.DatabricksCliPath = fakeCLI(t, "workspace-token-1") // someone else's login
	if me, err := newClient(t, config).Identity(t.Context()); err == nil || asError(t, err).Status != 401 {
		t.Errorf("Me = %q, %v", me, err)
	}
}

func TestWrongSecretWhileMetadataFails(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.answer("GET "+metadataPath, 503, "")
	s.answer("GET /oidc/.well-known/oauth-authorization-server", 200, `{"token_endpoint":"`+s.URL+tokenPath+`"}`)
	s.answer("POST "+tokenPath, 401, `{"error":"invalid_client"}`)
	_, err := newClient(t, &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret}).Identity(t.Context())
	if e := asError(t, err); e.Status != 401 || e.Temporary() {
		t.Errorf("%#v", e)
	}
}

// gate is a login method that waits until it is opened.
type gate struct {
	configured atomic.Int32
	entered    chan struct{} // receives once a login waits
	open       chan struct{} // closed to let logins through
}

func (*gate) Name() string { return "gate" }

func (g *gate) Configure(context.Context, *sdkconfig.Config) (credentials.CredentialsProvider, error) {
	n := g.configured.Add(1)
	return credentials.CredentialsProviderFn(func(r *http.Request) error {
		select {
		case g.entered <- struct{}{}:
		default:
		}
		<-g.open
		r.Header.Set("Authorization", fmt.Sprintf("Bearer workspace-token-%d", n))
		return nil
	}), nil
}

func TestDistrustAppliesToALoginInProgress(t *testing.T) {
	t.Parallel()
	o := newOAuth(t)
	g := &gate{entered: make(chan struct{}, 1), open: make(chan struct{})}
	close(g.open)
	c := newClient(t, &sdkconfig.Config{Host: o.URL, Credentials: g})
	first, err := c.auth.session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-g.entered
	g.open = make(chan struct{})
	auth := c.auth.root()
	second := auth.flight.DoChan("", auth.run)
	<-g.entered
	c.auth.distrust(first)
	close(g.open)
	if login := <-second; login.Err != nil {
		t.Fatal(login.Err)
	}
	if _, err := c.auth.session(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := g.configured.Load(); n != 2 {
		t.Errorf("configured %d times: the refused login is still used", n)
	}
}

// A server that controls a reply, or stands between, must not get the secret of
// the login, which does not expire.
func TestLoginSecretsGoNowhereElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		discovered string // where tokens are to be had, instead of the service itself
		redirect   int    // what the service answers there
		want       string
	}{
		"token endpoint without TLS":     {discovered: "http://192.0.2.1", want: "which has no TLS"},
		"redirect that repeats the body": {redirect: http.StatusTemporaryRedirect, want: "307"},
		"redirect for good":              {redirect: http.StatusPermanentRedirect, want: "308"},
		"redirect to a page":             {redirect: http.StatusFound, want: "302"},
		"redirect that changes to GET":   {redirect: http.StatusSeeOther, want: "303"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			elsewhere := newService(t)
			s := newService(t)
			s.answer("GET /oidc/.well-known/oauth-authorization-server", 200, `{"token_endpoint":"`+cmp.Or(tt.discovered, s.URL)+tokenPath+`"}`)
			if tt.redirect != 0 {
				s.mux.Handle("POST "+tokenPath, http.RedirectHandler(elsewhere.URL+tokenPath, tt.redirect))
			}
			_, err := newClient(t, &sdkconfig.Config{Host: s.URL, ClientID: clientID, ClientSecret: clientSecret}).Identity(t.Context())
			if e := asError(t, err); !e.Auth || e.Temporary() || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), clientSecret) {
				t.Errorf("error %v, want one that says %q", err, tt.want)
			}
			elsewhere.mu.Lock()
			defer elsewhere.mu.Unlock()
			if len(elsewhere.requests) != 0 {
				t.Errorf("%s was sent elsewhere", elsewhere.requests[0].Method)
			}
		})
	}
}

func TestWorkspaceWithoutTLS(t *testing.T) {
	t.Parallel()
	for host, fine := range map[string]bool{
		"http://192.0.2.1": false, "http://workspace.example.com": false, "http://localhost.example.com:80": false,
		"http://127.0.0.1.example.com": false, "http://[2001:db8::1]": false, "http://0.0.0.0:80": false,
		"http://127.0.0.1:8080": true, "http://localhost:8080": true, "http://[::1]:8080": true, "http://[::ffff:127.0.0.1]:1": true,
		"https://workspace.example.com": true, "workspace.example.com": true, "": true,
	} {
		if err := checkHost(host); (err == nil) != fine {
			t.Errorf("%q: error %v", host, err)
		}
	}
	for name, config := range map[string]*sdkconfig.Config{
		"pat": {Host: "http://workspace.example.com", Token: pat},
		"m2m": {Host: "http://workspace.example.com", ClientID: clientID, ClientSecret: clientSecret},
	} {
		var sent atomic.Int32
		config.HTTPTransport = roundTripper(func(*http.Request) (*http.Response, error) {
			sent.Add(1)
			return nil, errors.New("no network here")
		})
		_, err := newClient(t, config).Identity(t.Context())
		if e := asError(t, err); !e.Auth || e.Temporary() || !strings.Contains(err.Error(), "must begin with https://") {
			t.Errorf("%s: error %v", name, err)
		}
		if sent.Load() != 0 {
			t.Errorf("%s: %d requests were sent", name, sent.Load())
		}
	}
}
