package rest

import "github.com/lakebase-go/lakebase/local/internal/model"

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
	a.ws.Lock()
	defer a.ws.Unlock()
	for _, g := range a.ws.State.GroupsOf(p) {
		groups = append(groups, object{"display": g.Name, "value": g.ID, "$ref": "Groups/" + g.ID, "type": "direct"})
	}
	if groups != nil {
		user["groups"] = groups
	}
	return user, nil
}
