package rest

import (
	"slices"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
)

const (
	instanceRolesPath    = instancesPath + "/{name}/roles"
	identityPostgresOnly = "PG_ONLY"
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

// instanceRoles has the roles of Provisioned database instances.
type instanceRoles struct{ *router }

func (h instanceRoles) routes() {
	h.resource("GET "+instanceRolesPath, h.list)
	h.resource("POST "+instanceRolesPath, decoded(h.create))
	h.resource("GET "+instanceRolesPath+"/{role}", h.get)
	h.resource("DELETE "+instanceRolesPath+"/{role}", h.delete)
}

func (h instanceRoles) render(c *Call, r compute.Role) instanceRoleJSON {
	attributes := &roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole}
	j := instanceRoleJSON{
		Name: r.Name, IdentityType: identityPostgresOnly, InstanceName: c.PathValue("name"),
		Attributes: attributes, EffectiveAttributes: attributes,
	}
	if r.OAuth {
		h.ws.Lock()
		j.IdentityType = h.ws.State.KindOf(r.Name)
		h.ws.Unlock()
	}
	if r.Superuser {
		j.MembershipRole = membershipSuperuser
	}
	return j
}

// rolesOf returns the roles of the instance that the call's path names.
func (h instanceRoles) rolesOf(c *Call) (compute.Catalog, []compute.Role, error) {
	h.ws.Lock()
	i, err := h.instance(c)
	h.ws.Unlock()
	if err != nil {
		return compute.Catalog{}, nil, err
	}
	catalog, err := h.ws.Catalog(i.Branch)
	if err != nil {
		return catalog, nil, err
	}
	roles, err := catalog.Roles(c.Context())
	return catalog, roles, err
}

func (h instanceRoles) list(c *Call) (any, error) {
	_, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	return list(c, "database_instance_roles", roles, func(r compute.Role) instanceRoleJSON { return h.render(c, r) })
}

func (h instanceRoles) get(c *Call) (any, error) {
	_, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	i := indexOfRole(roles, c.PathValue("role"))
	if i < 0 {
		return nil, apierror.MissingRole(c.PathValue("role"))
	}
	return h.render(c, roles[i]), nil
}

func (h instanceRoles) create(c *Call, in instanceRoleJSON) (any, error) {
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
		return nil, apierror.Required("name")
	}
	role, err := h.newRole(spec)
	if err != nil {
		return nil, err
	}
	catalog, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	if indexOfRole(roles, role.Name) >= 0 {
		return nil, apierror.Exists("role with that name already exists")
	}
	if err := catalog.CreateRole(c.Context(), role); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.render(c, role), nil
}

func (h instanceRoles) delete(c *Call) (any, error) {
	name, query := c.PathValue("role"), c.URL.Query()
	catalog, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	if indexOfRole(roles, name) < 0 {
		if query.Get("allow_missing") == "true" {
			return struct{}{}, nil
		}
		return nil, apierror.MissingRole(name)
	}
	heir := query.Get("reassign_owned_to")
	if heir != "" && indexOfRole(roles, heir) < 0 {
		return nil, apierror.MissingRole(heir)
	}
	if err := catalog.DropRole(c.Context(), name, heir); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return struct{}{}, nil
}

func indexOfRole(roles []compute.Role, name string) int {
	return slices.IndexFunc(roles, func(r compute.Role) bool { return r.Name == name })
}
