package rest

import (
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
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
	h.reply(w, http.StatusOK, map[string]any{
		"oidc_endpoint": base + "/oidc",
		"account_id":    h.ws.State.AccountID,
		"workspace_id":  h.ws.State.WorkspaceID,
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

// token is the client credentials grant: a service principal's id and secret,
// in the header or in the form, for a token for the API. Errors are as in RFC
// 6749.
func (h oidc) token(w http.ResponseWriter, req *http.Request) {
	fail := func(status int, code, description string) {
		h.reply(w, status, map[string]any{"error": code, "error_description": description})
	}
	if err := req.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request", "the form cannot be read")
		return
	}
	if grant := req.PostForm.Get("grant_type"); grant != "client_credentials" {
		fail(http.StatusBadRequest, "unsupported_grant_type", "grant_type must be client_credentials")
		return
	}
	id, secret, ok := req.BasicAuth()
	if !ok {
		id, secret = req.PostForm.Get("client_id"), req.PostForm.Get("client_secret")
	}
	p := h.ws.State.Principal(id)
	if p == nil || p.Kind != model.ServicePrincipal || !p.HasSecret(secret) {
		w.Header().Set("WWW-Authenticate", `Basic realm="Databricks"`)
		fail(http.StatusUnauthorized, "invalid_client", "Client authentication failed")
		return
	}
	token, _, err := h.o.Tokens.Mint(pki.Request{
		Subject: p.Name, Audience: []string{h.ws.State.WorkspaceID}, Scope: pki.ScopeWorkspace, Lifetime: workspaceTokenLifetime,
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

// authenticate returns the caller, by a user's access token or by an OAuth token
// of the workspace.
func (a *API) authenticate(req *http.Request) (*model.Principal, error) {
	token, ok := bearer(req)
	if !ok {
		return nil, apierror.Unauthenticated("Credential was not sent or was of an unsupported type for this API.")
	}
	if user := a.ws.State.UserWithToken(token); user != nil {
		return user, nil
	}
	claims, err := a.o.Tokens.Verify(token, pki.ScopeWorkspace, a.ws.State.WorkspaceID)
	switch {
	case errors.Is(err, pki.ErrExpired):
		return nil, apierror.Unauthenticated("Access token has expired.")
	case err == nil:
		if p := a.ws.State.Principal(claims.Subject); p != nil {
			return p, nil
		}
	}
	return nil, apierror.Unauthenticated("Invalid access token.")
}

func bearer(req *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(req.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// me is the SCIM call that returns the caller. A service principal's user name
// is its application id, which is also the name of its Postgres role.
func (a *API) me(c *Call) (any, error) {
	type object = map[string]any
	p := c.caller
	user := object{
		"schemas":      []string{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"},
		"id":           p.ID,
		"userName":     p.Name,
		"displayName":  p.Display,
		"active":       true,
		"entitlements": []object{{"value": "workspace-access"}, {"value": "databricks-sql-access"}},
	}
	if p.Kind == model.User {
		user["name"] = object{"givenName": p.Display}
		user["emails"] = []object{{"value": p.Name, "type": "work", "primary": true}}
	}
	var groups []object
	for _, g := range a.ws.State.GroupsOf(p) {
		groups = append(groups, object{"display": g.Name, "value": g.ID, "$ref": "Groups/" + g.ID, "type": "direct"})
	}
	if groups != nil {
		user["groups"] = groups
	}
	return user, nil
}
