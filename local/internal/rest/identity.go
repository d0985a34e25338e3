package rest

import "github.com/lakebase-go/lakebase/local/internal/model"

// scimUser is a principal in SCIM.
type scimUser struct {
	Schemas      []string    `json:"schemas"`
	ID           string      `json:"id"`
	UserName     string      `json:"userName"`
	DisplayName  string      `json:"displayName"`
	Active       bool        `json:"active"`
	Name         *scimName   `json:"name,omitempty"`
	Emails       []scimValue `json:"emails,omitempty"`
	Groups       []scimValue `json:"groups,omitempty"`
	Entitlements []scimValue `json:"entitlements,omitempty"`
}

type scimName struct {
	GivenName string `json:"givenName"`
}

type scimValue struct {
	Display string `json:"display,omitempty"`
	Value   string `json:"value"`
	Ref     string `json:"$ref,omitempty"`
	Type    string `json:"type,omitempty"`
	Primary bool   `json:"primary,omitempty"`
}

// identity has the SCIM call that returns the caller.
type identity struct{ *router }

func (h identity) routes() {
	h.handle("GET /api/2.0/preview/scim/v2/Me", h.locked(h.me))
	h.handle("GET /api/2.0/scim/v2/Me", h.locked(h.me))
}

// me returns the caller. A service principal's user name is its application id,
// which is also the name of its Postgres role.
func (h identity) me(c *Call) (any, error) {
	p := c.caller
	user := scimUser{
		Schemas:     []string{"urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:workspace:2.0:User"},
		ID:          p.ID,
		UserName:    p.Name,
		DisplayName: p.Display,
		Active:      true,
		Entitlements: []scimValue{
			{Value: "workspace-access"}, {Value: "databricks-sql-access"},
		},
	}
	if p.Kind == model.User {
		user.Name = &scimName{GivenName: p.Display}
		user.Emails = []scimValue{{Value: p.Name, Type: "work", Primary: true}}
	}
	for _, g := range h.ws.State.GroupsOf(p) {
		user.Groups = append(user.Groups, scimValue{Display: g.Name, Value: g.ID, Ref: "Groups/" + g.ID, Type: "direct"})
	}
	return user, nil
}
