package rest

import (
	"errors"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
)

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
		"schemas":     []string{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"},
		"id":          p.ID,
		"userName":    p.Name,
		"displayName": p.Display,
		"active":      true,
	}
	if !strings.Contains(c.URL.Query().Get("excludedAttributes"), "entitlements") {
		user["entitlements"] = []object{{"value": "workspace-access"}, {"value": "databricks-sql-access"}}
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
