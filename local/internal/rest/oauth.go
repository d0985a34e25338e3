package rest

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
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
	h.HandlePublic("GET /oidc/v1/authorize", h.authorize)
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
		"grant_types_supported":                 slices.Sorted(maps.Keys(grants)),
		"response_types_supported":              []string{"code"},
		"code_challenge_methods_supported":      []string{"S256"},
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

// oauthError is an error of OAuth, as in RFC 6749.
type oauthError struct {
	status            int
	code, description string
}

// grants are the ways to a token of the workspace: each returns its subject.
var grants = map[string]func(h oidc, req *http.Request) (*model.Principal, *oauthError){
	"client_credentials": oidc.clientCredentials,
	"authorization_code": oidc.authorizationCode,
	"refresh_token": func(h oidc, req *http.Request) (*model.Principal, *oauthError) {
		return h.subject(req.PostForm.Get("refresh_token"), scopeRefresh, h.ws.State.WorkspaceID)
	},
	// The subject token is one of this workspace; it has no identity provider.
	"urn:ietf:params:oauth:grant-type:token-exchange": func(h oidc, req *http.Request) (*model.Principal, *oauthError) {
		return h.subject(req.PostForm.Get("subject_token"), pki.ScopeWorkspace, h.ws.State.WorkspaceID)
	},
}

// The scopes of tokens that only lead to others.
const (
	scopeCode    = "authorization_code"
	scopeRefresh = "offline_access"
)

// The lifetimes of those.
const (
	codeLifetime    = time.Minute
	refreshLifetime = 30 * 24 * time.Hour
)

// subject returns the principal of a token that leads to another.
func (h oidc) subject(token, scope, audience string) (*model.Principal, *oauthError) {
	claims, err := h.o.Tokens.Verify(token, scope, audience)
	if err != nil {
		return nil, &oauthError{http.StatusBadRequest, "invalid_grant", err.Error()}
	}
	p := h.ws.State.Principal(claims.Subject)
	if p == nil {
		return nil, &oauthError{http.StatusBadRequest, "invalid_grant", "the subject is not a principal of this workspace"}
	}
	return p, nil
}

// clientCredentials takes a service principal's id and secret, in the header or
// in the form.
func (h oidc) clientCredentials(req *http.Request) (*model.Principal, *oauthError) {
	id, secret, ok := req.BasicAuth()
	if !ok {
		id, secret = req.PostForm.Get("client_id"), req.PostForm.Get("client_secret")
	}
	if p := h.ws.State.Principal(id); p != nil && p.Kind == model.ServicePrincipal && p.HasSecret(secret) {
		return p, nil
	}
	return nil, &oauthError{http.StatusUnauthorized, "invalid_client", "Client authentication failed"}
}

// codeAudience binds a code to the client that has begun the login (RFC 7636).
func codeAudience(challenge, redirect string) string { return challenge + " " + redirect }

func (h oidc) authorizationCode(req *http.Request) (*model.Principal, *oauthError) {
	sum := sha256.Sum256([]byte(req.PostForm.Get("code_verifier")))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	code := req.PostForm.Get("code")
	p, failed := h.subject(code, scopeCode, codeAudience(challenge, req.PostForm.Get("redirect_uri")))
	if failed != nil {
		return nil, failed
	}
	if _, used := h.usedCodes.LoadOrStore(code, true); used {
		return nil, &oauthError{http.StatusBadRequest, "invalid_grant", "the code has been used"}
	}
	time.AfterFunc(codeLifetime, func() { h.usedCodes.Delete(code) })
	return p, nil
}

// authorize is the page on which a person would log in. It redirects at once, as
// the user of login_hint or else the default user, and only to this machine.
func (h oidc) authorize(w http.ResponseWriter, req *http.Request) {
	query := req.URL.Query()
	redirect, err := url.Parse(query.Get("redirect_uri"))
	user := h.ws.State.Principal(cmp.Or(query.Get("login_hint"), h.ws.State.Owner().Name))
	switch {
	case err != nil || redirect.Scheme != "http" && redirect.Scheme != "https" || !hosts.IsLoopback(redirect.Hostname()):
		h.refuse(w, req, apierror.Invalid("redirect_uri must be an http URL on a loopback address"))
		return
	case query.Get("response_type") != "code" || query.Get("code_challenge_method") != "S256" || query.Get("code_challenge") == "":
		h.refuse(w, req, apierror.Invalid("response_type must be code, with a code_challenge of method S256"))
		return
	case user == nil || user.Kind != model.User:
		h.refuse(w, req, apierror.Invalid("login_hint must be a user of this workspace"))
		return
	}
	code, err := h.mint(user, scopeCode, codeAudience(query.Get("code_challenge"), query.Get("redirect_uri")), codeLifetime)
	if err != nil {
		h.refuse(w, req, err)
		return
	}
	reply := redirect.Query()
	reply.Set("code", code)
	reply.Set("state", query.Get("state"))
	redirect.RawQuery = reply.Encode()
	http.Redirect(w, req, redirect.String(), http.StatusFound)
}

func (h oidc) mint(p *model.Principal, scope, audience string, lifetime time.Duration) (string, error) {
	token, _, err := h.o.Tokens.Mint(pki.Request{Subject: p.Name, Audience: []string{audience}, Scope: scope, Lifetime: lifetime})
	return token, err
}

// token replies with a token for the API.
func (h oidc) token(w http.ResponseWriter, req *http.Request) {
	var p *model.Principal
	var failed *oauthError
	if err := req.ParseForm(); err != nil {
		failed = &oauthError{http.StatusBadRequest, "invalid_request", "the form cannot be read"}
	} else if grant := grants[req.PostForm.Get("grant_type")]; grant == nil {
		names := strings.Join(slices.Sorted(maps.Keys(grants)), ", ")
		failed = &oauthError{http.StatusBadRequest, "unsupported_grant_type", "grant_type must be one of " + names}
	} else {
		p, failed = grant(h, req)
	}
	if failed != nil {
		if failed.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="Databricks"`)
		}
		h.reply(w, failed.status, map[string]any{"error": failed.code, "error_description": failed.description})
		return
	}
	token, err := h.mint(p, pki.ScopeWorkspace, h.ws.State.WorkspaceID, workspaceTokenLifetime)
	if err != nil {
		h.refuse(w, req, err)
		return
	}
	reply := map[string]any{
		"access_token": token,
		"token_type":   "Bearer",
		"expires_in":   int(workspaceTokenLifetime / time.Second),
		"scope":        pki.ScopeWorkspace,
	}
	if p.Kind == model.User {
		if reply["refresh_token"], err = h.mint(p, scopeRefresh, h.ws.State.WorkspaceID, refreshLifetime); err != nil {
			h.refuse(w, req, err)
			return
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	h.reply(w, http.StatusOK, reply)
}
