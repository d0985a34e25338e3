package workspace

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/databricks/databricks-sdk-go/common/environment"
	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

// redirects is a workspace that redirects requests for a path, or all, to
// another server.
type redirects struct {
	*httptest.Server
	redirected, followed atomic.Int32
}

func newRedirects(t *testing.T, status int, path string, others http.Handler) *redirects {
	t.Helper()
	r := &redirects{}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.followed.Add(1)
		send(w, 200, `{"token_endpoint":"http://127.0.0.1:1`+tokenPath+`","oidc_endpoint":"http://127.0.0.1:1/oidc","access_token":"x","id_token":"x","value":"x","token_type":"Bearer","expires_in":3600}`)
	}))
	t.Cleanup(elsewhere.Close)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case path == "" || path == req.URL.Path:
			r.redirected.Add(1)
			http.Redirect(w, req, elsewhere.URL+req.URL.RequestURI(), status)
		case req.URL.Path == metadataPath:
			http.NotFound(w, req)
		default:
			others.ServeHTTP(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

var redirectStatuses = []int{301, 302, 303, 307, 308}

// The address of a token endpoint is not taken from a server to which the
// workspace redirects.
func TestDiscoveryIsNotRedirected(t *testing.T) {
	t.Parallel()
	for _, path := range []string{metadataPath, "/oidc/.well-known/oauth-authorization-server"} {
		for _, status := range redirectStatuses {
			o := newOAuth(t)
			r := newRedirects(t, status, path, o.mux)
			config := o.config()
			config.Host = r.URL
			_, err := newClient(t, config).Identity(t.Context())
			if r.redirected.Load() == 0 || r.followed.Load() != 0 {
				t.Errorf("%d for %s: %d redirects, %d followed", status, path, r.redirected.Load(), r.followed.Load())
			}
			if path == metadataPath && err != nil { // it is optional
				t.Errorf("%d for %s: %v", status, path, err)
			}
			if path != metadataPath && (err == nil || !strings.Contains(err.Error(), "redirected to http://127.0.0.1")) {
				t.Errorf("%d for %s: error %v", status, path, err)
			}
		}
	}
}

// No method to log in of the SDK follows a redirect.
func TestLoginsAreNotRedirected(t *testing.T) {
	t.Parallel()
	for method, configure := range map[string]func(config *sdkconfig.Config, url string){
		"oauth-m2m":        func(c *sdkconfig.Config, _ string) { c.ClientID, c.ClientSecret = clientID, clientSecret },
		"metadata-service": func(c *sdkconfig.Config, url string) { c.MetadataServiceURL = url },
		"github-oidc": func(c *sdkconfig.Config, url string) {
			c.ClientID, c.ActionsIDTokenRequestURL, c.ActionsIDTokenRequestToken = clientID, url+"/id?a=b", "request-token"
		},
		"file-oidc": func(c *sdkconfig.Config, _ string) {
			c.ClientID, c.OIDCTokenFilepath = clientID, writeFile(t, "id-token")
		},
		"azure-client-secret": func(c *sdkconfig.Config, url string) {
			c.AzureClientID, c.AzureClientSecret, c.AzureTenantID = clientID, clientSecret, "tenant"
			azure := environment.AzurePublicCloud
			azure.ActiveDirectoryEndpoint = url + "/"
			c.DatabricksEnvironment = &environment.DatabricksEnvironment{Cloud: environment.CloudAzure, AzureEnvironment: &azure}
		},
		"google-credentials": func(c *sdkconfig.Config, url string) {
			c.DatabricksEnvironment = &environment.DatabricksEnvironment{Cloud: environment.CloudGCP}
			c.GoogleCredentials = serviceAccount(t, url+"/token")
		},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			for _, status := range redirectStatuses {
				r := newRedirects(t, status, "", nil)
				config := &sdkconfig.Config{Host: r.URL, AuthType: method}
				configure(config, r.URL)
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				_, err := newClient(t, config).Identity(ctx)
				cancel()
				if err == nil || r.redirected.Load() < 2 || r.followed.Load() != 0 { // one of them for the metadata
					t.Errorf("%d: %d redirects, %d followed, error %v", status, r.redirected.Load(), r.followed.Load(), err)
				}
			}
		})
	}
}

// serviceAccount is a file of credentials that Google would issue.
func serviceAccount(t *testing.T, tokenURI string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "me@example.com", "private_key_id": "1", "private_key": string(encoded), "token_uri": tokenURI,
	})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, string(account))
}
