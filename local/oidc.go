package local

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// workspaceTokenLifetime is that of OAuth tokens for the API itself.
const workspaceTokenLifetime = time.Hour

func (a *restAPI) oidcRoutes() {
	a.mux.HandleFunc("GET /.well-known/databricks-config", func(w http.ResponseWriter, r *http.Request) {
		base := a.baseURL(r)
		a.ws.mu.Lock()
		account, workspace := a.ws.state.AccountID, a.ws.state.WorkspaceID
		a.ws.mu.Unlock()
		a.reply(w, http.StatusOK, map[string]any{
			"oidc_endpoint": base + "/oidc",
			"account_id":    account,
			"workspace_id":  workspace,
			"cloud":         "AWS",
			"host_type":     "workspace",
			"token_federation_default_oidc_audiences": []string{base + "/oidc/v1/token"},
		})
	})
	a.mux.HandleFunc("GET /oidc/.well-known/oauth-authorization-server", a.oidcMetadata)
	a.mux.HandleFunc("GET /oidc/.well-known/openid-configuration", a.oidcMetadata)
	a.mux.HandleFunc("GET /oidc/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		a.reply(w, http.StatusOK, map[string]any{"keys": []any{a.ws.tokens.jwk()}})
	})
	a.mux.HandleFunc("POST /oidc/v1/token", a.workspaceToken)
}

func (a *restAPI) oidcMetadata(w http.ResponseWriter, r *http.Request) {
	base := a.baseURL(r)
	a.reply(w, http.StatusOK, map[string]any{
		"issuer":                                base + "/oidc",
		"authorization_endpoint":                base + "/oidc/v1/authorize",
		"token_endpoint":                        base + "/oidc/v1/token",
		"jwks_uri":                              base + "/oidc/jwks.json",
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"scopes_supported":                      []string{scopeWorkspace, scopePostgres},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

// baseURL is how the caller reached this API, so that discovery leads it
// back the same way. A host that is not loopback is not repeated.
func (a *restAPI) baseURL(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	ip, ipErr := netip.ParseAddr(host)
	if err != nil || host != "localhost" && (ipErr != nil || !ip.IsLoopback()) {
		return a.server.WorkspaceURL()
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// oauthError is a refusal as RFC 6749 words it.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// workspaceToken is the client credentials grant: a service principal's id
// and secret, in the header or in the form, for a token of the API.
func (a *restAPI) workspaceToken(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		a.reply(w, http.StatusBadRequest, oauthError{"invalid_request", "the form cannot be read"})
		return
	}
	if grant := r.PostForm.Get("grant_type"); grant != "client_credentials" {
		a.reply(w, http.StatusBadRequest, oauthError{"unsupported_grant_type", "grant_type must be client_credentials"})
		return
	}
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	a.ws.mu.Lock()
	p := a.ws.state.principal(id)
	workspace := a.ws.state.WorkspaceID
	a.ws.mu.Unlock()
	if p == nil || p.Kind != identityServicePrincipal || !same(p.Secret, secret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Databricks"`)
		a.reply(w, http.StatusUnauthorized, oauthError{"invalid_client", "Client authentication failed"})
		return
	}
	token, _, err := a.ws.tokens.mint(tokenRequest{
		subject: p.Name, audience: []string{workspace}, scope: scopeWorkspace, lifetime: workspaceTokenLifetime,
	})
	if err != nil {
		a.refuse(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	a.reply(w, http.StatusOK, map[string]any{
		"access_token": token,
		"token_type":   "Bearer",
		"expires_in":   int(workspaceTokenLifetime / time.Second),
		"scope":        scopeWorkspace,
	})
}

// same compares secrets in a time that tells nothing about them.
func same(a, b string) bool { return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
