package rest

import (
	"net"
	"net/http"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
)

// workspaceTokenLifetime is the lifetime of OAuth tokens for the API itself.
const workspaceTokenLifetime = time.Hour

// oidc has the discovery and token endpoints of OAuth.
type oidc struct{ *API }

func (h oidc) routes() {
	h.HandlePublic("GET /.well-known/databricks-config", h.config)
	h.HandlePublic("GET /oidc/.well-known/oauth-authorization-server", h.metadata)
	h.HandlePublic("GET /oidc/.well-known/openid-configuration", h.metadata)
	h.HandlePublic("GET /oidc/jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		h.reply(w, http.StatusOK, map[string]any{"keys": []any{h.o.Tokens.JWK()}})
	})
	h.HandlePublic("POST /oidc/v1/token", h.token)
}

func (h oidc) config(w http.ResponseWriter, req *http.Request) {
	base := h.baseURL(req)
	h.ws.Lock()
	account, workspace := h.ws.State.AccountID, h.ws.State.WorkspaceID
	h.ws.Unlock()
	h.reply(w, http.StatusOK, map[string]any{
		"oidc_endpoint": base + "/oidc",
		"account_id":    account,
		"workspace_id":  workspace,
		"cloud":         "AWS",
		"host_type":     "workspace",
		"token_federation_default_oidc_audiences": []string{base + "/oidc/v1/token"},
	})
}

func (h oidc) metadata(w http.ResponseWriter, req *http.Request) {
	base := h.baseURL(req)
	h.reply(w, http.StatusOK, map[string]any{
		"issuer":                                base + "/oidc",
		"authorization_endpoint":                base + "/oidc/v1/authorize",
		"token_endpoint":                        base + "/oidc/v1/token",
		"jwks_uri":                              base + "/oidc/jwks.json",
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"token"},
		"scopes_supported":                      []string{pki.ScopeWorkspace, pki.ScopePostgres},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
	})
}

// baseURL is the URL by which the caller reached this API, so that discovery
// leads back to it. A host that is not loopback is not repeated.
func (h oidc) baseURL(req *http.Request) string {
	host, _, err := net.SplitHostPort(req.Host)
	if err != nil || !hosts.IsLoopback(host) {
		return h.o.URL
	}
	if encrypted(req) {
		return "https://" + req.Host
	}
	return "http://" + req.Host
}

// oauthError is an error as in RFC 6749.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// token is the client credentials grant: a service principal's id and secret,
// in the header or in the form, for a token for the API.
func (h oidc) token(w http.ResponseWriter, req *http.Request) {
	if err := req.ParseForm(); err != nil {
		h.reply(w, http.StatusBadRequest, oauthError{"invalid_request", "the form cannot be read"})
		return
	}
	if grant := req.PostForm.Get("grant_type"); grant != "client_credentials" {
		h.reply(w, http.StatusBadRequest, oauthError{"unsupported_grant_type", "grant_type must be client_credentials"})
		return
	}
	id, secret, ok := req.BasicAuth()
	if !ok {
		id, secret = req.PostForm.Get("client_id"), req.PostForm.Get("client_secret")
	}
	h.ws.Lock()
	p := h.ws.State.Principal(id)
	workspace := h.ws.State.WorkspaceID
	h.ws.Unlock()
	if p == nil || p.Kind != model.ServicePrincipal || !p.HasSecret(secret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Databricks"`)
		h.reply(w, http.StatusUnauthorized, oauthError{"invalid_client", "Client authentication failed"})
		return
	}
	token, _, err := h.o.Tokens.Mint(pki.Request{
		Subject: p.Name, Audience: []string{workspace}, Scope: pki.ScopeWorkspace, Lifetime: workspaceTokenLifetime,
	})
	if err != nil {
		h.refuse(w, req, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	h.reply(w, http.StatusOK, map[string]any{
		"access_token": token,
		"token_type":   "Bearer",
		"expires_in":   int(workspaceTokenLifetime / time.Second),
		"scope":        pki.ScopeWorkspace,
	})
}
