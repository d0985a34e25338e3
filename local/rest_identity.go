package local

// scimUser is a principal as SCIM has it.
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

func (a *restAPI) identityRoutes() {
	a.handle("GET /api/2.0/preview/scim/v2/Me", a.me)
	a.handle("GET /api/2.0/scim/v2/Me", a.me)
}

// me tells who the caller is. A service principal goes by its application
// id, which is what its Postgres role is called.
func (a *restAPI) me(c *call) (any, error) {
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
	if p.Kind == identityUser {
		user.Name = &scimName{GivenName: p.Display}
		user.Emails = []scimValue{{Value: p.Name, Type: "work", Primary: true}}
	}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	for _, g := range a.ws.state.groupsOf(p) {
		user.Groups = append(user.Groups, scimValue{Display: g.Name, Value: g.ID, Ref: "Groups/" + g.ID, Type: "direct"})
	}
	return user, nil
}
