package local

import (
	"slices"

	"github.com/jackc/pgx/v5"
)

// instanceRoleJSON is a role of an instance on the wire.
type instanceRoleJSON struct {
	Name                string          `json:"name"`
	IdentityType        string          `json:"identity_type,omitempty"`
	MembershipRole      string          `json:"membership_role,omitempty"`
	Attributes          *roleAttributes `json:"attributes,omitempty"`
	EffectiveAttributes *roleAttributes `json:"effective_attributes,omitempty"`
	InstanceName        string          `json:"instance_name,omitempty"`
}

const instanceRolesPath = instancesPath + "/{name}/roles"

func (a *restAPI) instanceRoleRoutes() {
	a.resource("GET "+instanceRolesPath, a.listInstanceRoles)
	a.resource("POST "+instanceRolesPath, a.createInstanceRole)
	a.resource("GET "+instanceRolesPath+"/{role}", a.getInstanceRole)
	a.resource("DELETE "+instanceRolesPath+"/{role}", a.deleteInstanceRole)
}

func renderInstanceRole(instance string, r pgRole) instanceRoleJSON {
	attributes := &roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole}
	j := instanceRoleJSON{
		Name: r.Name, IdentityType: r.Identity, InstanceName: instance, Attributes: attributes, EffectiveAttributes: attributes,
	}
	if r.Identity == "" {
		j.IdentityType = identityPostgresOnly
	}
	if r.Superuser {
		j.MembershipRole = membershipSuperuser
	}
	return j
}

// instanceRoles asks Postgres for the roles of the instance that the call's
// path names.
func (a *restAPI) instanceRoles(c *call) (*branch, []pgRole, error) {
	name := c.PathValue("name")
	a.ws.mu.Lock()
	i := a.ws.state.instance(name)
	a.ws.mu.Unlock()
	if i == nil {
		return nil, nil, errMissingInstance(name)
	}
	roles, err := a.ws.roles(c.Context(), i.Branch)
	return i.Branch, roles, err
}

func (a *restAPI) listInstanceRoles(c *call) (any, error) {
	_, roles, err := a.instanceRoles(c)
	if err != nil {
		return nil, err
	}
	part, next, err := page(c, roles)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Roles []instanceRoleJSON `json:"database_instance_roles,omitempty"`
		Next  string             `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, r := range part {
		reply.Roles = append(reply.Roles, renderInstanceRole(c.PathValue("name"), r))
	}
	return reply, nil
}

// instanceRole finds the branch and role that the call's path names.
func (a *restAPI) instanceRole(c *call) (*branch, pgRole, error) {
	b, roles, err := a.instanceRoles(c)
	if err != nil {
		return nil, pgRole{}, err
	}
	if r := roleNamed(roles, c.PathValue("role")); r != nil {
		return b, *r, nil
	}
	return nil, pgRole{}, errMissingRole(c.PathValue("role"))
}

func (a *restAPI) getInstanceRole(c *call) (any, error) {
	_, r, err := a.instanceRole(c)
	if err != nil {
		return nil, err
	}
	return renderInstanceRole(c.PathValue("name"), r), nil
}

func (a *restAPI) createInstanceRole(c *call) (any, error) {
	in := instanceRoleJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	spec := roleSpec{PostgresRole: in.Name, IdentityType: in.IdentityType}
	if in.IdentityType == identityPostgresOnly {
		spec.IdentityType = ""
	}
	if in.MembershipRole != "" {
		spec.MembershipRoles = []string{in.MembershipRole}
	}
	if in.Attributes != nil {
		spec.Attributes = *in.Attributes
	}
	if in.Name == "" {
		return nil, errRequired("name")
	}
	r, err := spec.model()
	if err != nil {
		return nil, err
	}
	if err := a.ws.known(r); err != nil {
		return nil, err
	}
	b, roles, err := a.instanceRoles(c)
	if err != nil {
		return nil, err
	}
	if roleNamed(roles, r.Name) != nil {
		return nil, errExists("role with that name already exists")
	}
	err = a.ws.admin(c.Context(), b, defaultDatabase, func(conn *pgx.Conn) error { return r.create(c.Context(), conn) })
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	return renderInstanceRole(c.PathValue("name"), r), nil
}

func (a *restAPI) deleteInstanceRole(c *call) (any, error) {
	name, query := c.PathValue("role"), c.URL.Query()
	b, roles, err := a.instanceRoles(c)
	if err != nil {
		return nil, err
	}
	if roleNamed(roles, name) == nil {
		if query.Get("allow_missing") == "true" {
			return struct{}{}, nil
		}
		return nil, errMissingRole(name)
	}
	heir := query.Get("reassign_owned_to")
	if heir != "" && roleNamed(roles, heir) == nil {
		return nil, errMissingRole(heir)
	}
	if err := a.ws.dropRole(c.Context(), b, name, heir); err != nil {
		return nil, refusedByPostgres(err)
	}
	return struct{}{}, nil
}

func roleNamed(roles []pgRole, name string) *pgRole {
	if i := slices.IndexFunc(roles, func(r pgRole) bool { return r.Name == name }); i >= 0 {
		return &roles[i]
	}
	return nil
}
