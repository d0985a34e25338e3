package lakebase_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/testkit"
)

// Workspace logins that cannot work fail at once with what is wrong, and send
// nothing: no network is to blame.
func TestWorkspaceLoginsThatCannotWork(t *testing.T) {
	asked := 0
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.WriteHeader(http.StatusNotFound)
	}))
	defer plain.Close()
	_, address, _ := strings.Cut(plain.URL, "://")
	for name, test := range map[string]struct {
		env   map[string]string
		words []string
	}{
		"two methods": {
			map[string]string{"DATABRICKS_HOST": plain.URL, "DATABRICKS_TOKEN": "dapi01234567", "DATABRICKS_CLIENT_ID": "id", "DATABRICKS_CLIENT_SECRET": "dose01234567"},
			[]string{"oauth (DATABRICKS_CLIENT_ID, DATABRICKS_CLIENT_SECRET)", "pat (DATABRICKS_TOKEN)", "DATABRICKS_AUTH_TYPE=oauth-m2m or pat"}},
		"profile without a file": {
			map[string]string{"DATABRICKS_CONFIG_PROFILE": "DEV"}, []string{`"DEV"`, "no file ~/.databrickscfg", "databricks auth login --profile DEV"}},
		"profile without the file that is named": {
			map[string]string{"DATABRICKS_CONFIG_PROFILE": "DEV", "DATABRICKS_CONFIG_FILE": "/nowhere/cfg"}, []string{"no file /nowhere/cfg"}},
		"placeholder as host":   {map[string]string{"DATABRICKS_HOST": "https://${HOST}", "DATABRICKS_TOKEN": "x"}, []string{"DATABRICKS_HOST holds a placeholder"}},
		"placeholder as token":  {map[string]string{"DATABRICKS_HOST": plain.URL, "DATABRICKS_TOKEN": "{{secrets/s/t}}"}, []string{"DATABRICKS_TOKEN holds a placeholder"}},
		"placeholder to fill":   {map[string]string{"DATABRICKS_HOST": "<workspace-url>", "DATABRICKS_TOKEN": "x"}, []string{"DATABRICKS_HOST holds a placeholder"}},
		"port":                  {map[string]string{"DATABRICKS_HOST": "https://127.0.0.1:99999", "DATABRICKS_TOKEN": "x"}, []string{"not a number from 1 to 65535"}},
		"port without a scheme": {map[string]string{"DATABRICKS_HOST": "127.0.0.1:99999", "DATABRICKS_TOKEN": "x"}, []string{"not a number from 1 to 65535"}},
		"http without a scheme": {map[string]string{"DATABRICKS_HOST": address, "DATABRICKS_TOKEN": "x"}, []string{"answers without TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			asked = 0
			test.env["HOME"] = t.TempDir()
			testkit.OnlyEnv(t, test.env)
			began := time.Now()
			_, err := connectorFromEnv(t, "my-instance").Connect(within(t, 30*time.Second))
			var e *lakebase.Error
			if !errors.As(err, &e) || e.Kind != lakebase.KindBadConfig || lakebase.Retryable(err) || e.Hint == "" || time.Since(began) > 10*time.Second {
				t.Fatalf("got %v (hint %q) after %v", err, lakebase.Hint(err), time.Since(began))
			}
			for _, word := range test.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%q does not say %q", err, word)
				}
			}
			if asked != 0 || strings.Contains(err.Error(), "01234567") {
				t.Errorf("%d requests were sent; %v", asked, err)
			}
		})
	}
}

// A host needs no scheme, with a port or without: the app's own DATABRICKS_HOST
// has none.
func TestWorkspaceHostNeedsNoScheme(t *testing.T) {
	t.Parallel()
	workspace := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"token": "token"}) // the client reports what it lacks
	}))
	defer workspace.Close()
	_, address, _ := strings.Cut(workspace.URL, "://")
	c := connectorWith(t, &lakebase.Config{Instance: "i", Host: "localhost", User: "me",
		Workspace: &sdkconfig.Config{Host: address, Token: "x", InsecureSkipVerify: true}}, nil)
	if token, err := c.Token(t.Context()); err != nil || token.Secret() != "token" {
		t.Errorf("got %q, %v", token.Secret(), err)
	}
}

// A process that may open no more files says so at once, wherever it notices.
func TestTooManyOpenFilesAreNotWaitedFor(t *testing.T) {
	t.Parallel()
	full := transport(func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	})
	for name, c := range map[string]lakebase.Config{"lookup": {Instance: "i"}, "credential": {Instance: "i", Host: "localhost", User: "me"}} {
		c.Workspace = &sdkconfig.Config{Host: "https://workspace.invalid", Token: "x", HTTPTransport: full}
		_, took, err := resolve(t, c)
		if !errors.Is(err, lakebase.KindConnectFailed) || lakebase.Retryable(err) || took > 10*time.Second {
			t.Errorf("%s: got %v after %v", name, err, took)
		}
		if hint := lakebase.Hint(err); !strings.Contains(hint, "ulimit -n") {
			t.Errorf("%s: hint %q", name, hint)
		}
	}
}

type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r) }

// A static URL to a socket whose path is too long fails at once.
func TestLongSocketPathIsNotRetried(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(os.TempDir(), strings.Repeat("long", 40))
	c := connectorWith(t, &lakebase.Config{URL: "postgres://u:p@/db?host=" + dir}, nil)
	began := time.Now()
	_, err := c.Connect(within(t, 30*time.Second))
	if !errors.Is(err, lakebase.KindConnectFailed) || time.Since(began) > 20*time.Second || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
	if hint := lakebase.Hint(err); !strings.Contains(hint, "107 bytes") {
		t.Errorf("hint %q", hint)
	}
}
