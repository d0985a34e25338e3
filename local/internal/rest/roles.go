package rest

import (
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// How a role logs in, as the API spells it.
const (
	authOAuth    = "LAKEBASE_OAUTH_V1"
	authPassword = "PG_PASSWORD_SCRAM_SHA_256"
	authNone     = "NO_LOGIN"

	identityUnspecified = "IDENTITY_TYPE_UNSPECIFIED"
	membershipSuperuser = "DATABRICKS_SUPERUSER"
)

// roleJSON is a role of a branch on the wire.
type roleJSON struct {
	Name       string      `json:"name"`
	RoleID     string      `json:"role_id,omitempty"`
	Parent     string      `json:"parent,omitempty"`
	CreateTime time.Time   `json:"create_time,omitzero"`
	UpdateTime time.Time   `json:"update_time,omitzero"`
	Spec       roleSpec    `json:"spec,omitzero"`
	Status     *roleStatus `json:"status,omitempty"`
}

type roleSpec struct {
	PostgresRole    string         `json:"postgres_role,omitempty"`
	IdentityType    string         `json:"identity_type,omitempty"`
	AuthMethod      string         `json:"auth_method,omitempty"`
	MembershipRoles []string       `json:"membership_roles,omitempty"`
	Attributes      roleAttributes `json:"attributes,omitzero"`
}

type roleStatus struct {
	RoleID          string         `json:"role_id"`
	PostgresRole    string         `json:"postgres_role"`
	IdentityType    string         `json:"identity_type"`
	AuthMethod      string         `json:"auth_method"`
	MembershipRoles []string       `json:"membership_roles,omitempty"`
	Attributes      roleAttributes `json:"attributes"`
}

type roleAttributes struct {
	BypassRLS  bool `json:"bypassrls"`
	CreateDB   bool `json:"createdb"`
	CreateRole bool `json:"createrole"`
}

const rolesPath = branchesPath + "/{branch}/roles"

// roles has the roles of branches.
type roles struct{ *router }

func (h roles) routes() {
	h.resource("GET "+rolesPath, h.list)
	h.resource("POST "+rolesPath, h.create)
	h.resource("GET "+rolesPath+"/{role}", h.get)
	h.resource("PATCH "+rolesPath+"/{role}", h.update)
	h.resource("DELETE "+rolesPath+"/{role}", h.delete)
	h.resource("GET "+rolesPath+"/{role}/operations/{operation}", h.getOperation)
}

// render is the role on the wire. The caller holds the lock.
func (h roles) render(b *model.Branch, r compute.Role) roleJSON {
	n := b.Roles.Of(r.Name, b.Created)
	status := &roleStatus{
		RoleID: n.ID, PostgresRole: r.Name, IdentityType: identityUnspecified, AuthMethod: authPassword,
		Attributes: roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole},
	}
	if r.OAuth {
		status.IdentityType, status.AuthMethod = h.ws.State.KindOf(r.Name), authOAuth
	}
	if r.NoLogin {
		status.AuthMethod = authNone
	}
	if r.Superuser {
		status.MembershipRoles = []string{membershipSuperuser}
	}
	return roleJSON{
		Name: rolePath(b, n), RoleID: n.ID, Parent: b.Path(), CreateTime: n.Created, UpdateTime: n.Updated, Status: status,
	}
}

func rolePath(b *model.Branch, n model.Record) string { return b.Path() + "/roles/" + n.ID }

// newRole checks the specification of a role that is to be created.
func (r *router) newRole(s roleSpec) (compute.Role, error) {
	role := compute.Role{
		Name: s.PostgresRole, NoLogin: s.AuthMethod == authNone,
		BypassRLS: s.Attributes.BypassRLS, CreateDB: s.Attributes.CreateDB, CreateRole: s.Attributes.CreateRole,
	}
	for _, m := range s.MembershipRoles {
		if m != membershipSuperuser {
			return role, apierror.Invalid("membership_roles may hold %s alone, got '%s'.", membershipSuperuser, m)
		}
		role.Superuser = true
	}
	switch s.IdentityType {
	case model.User, model.ServicePrincipal, model.Group:
		if s.AuthMethod == authPassword {
			return role, apierror.Invalid("auth_method %s does not go with identity_type %s.", s.AuthMethod, s.IdentityType)
		}
		role.OAuth = true
	case "", identityUnspecified:
		if s.AuthMethod == authOAuth {
			return role, apierror.Invalid("auth_method %s takes an identity_type.", authOAuth)
		}
	default:
		return role, apierror.Invalid("identity_type must be USER, SERVICE_PRINCIPAL or GROUP, got '%s'.", s.IdentityType)
	}
	switch {
	case role.Name == "":
		return role, apierror.Required("role.spec.postgres_role")
	case len(role.Name) > compute.MaxRoleName || compute.IsServiceRole(role.Name):
		return role, apierror.Invalid("'%s' cannot be the name of a role", role.Name)
	case !role.OAuth:
		return role, nil
	}
	r.ws.Lock()
	defer r.ws.Unlock()
	if p := r.ws.State.Principal(role.Name); p == nil || p.Kind != s.IdentityType {
		return role, apierror.Invalid("%s '%s' does not exist in the workspace", s.IdentityType, role.Name)
	}
	return role, nil
}

// rolesOf returns the branch that the call's path names, and its roles.
func (h roles) rolesOf(c *Call) (*model.Branch, compute.Catalog, []compute.Role, error) {
	b, err := h.readyBranch(c)
	if err != nil {
		return nil, compute.Catalog{}, nil, err
	}
	catalog, roles, err := h.rolesIn(c.Context(), b)
	return b, catalog, roles, err
}

// roleWithID returns the role with that id, of the branch that the call's path
// names.
func (h roles) roleWithID(c *Call, id string) (*model.Branch, compute.Catalog, compute.Role, error) {
	b, catalog, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, catalog, compute.Role{}, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	for _, r := range roles {
		if b.Roles.Of(r.Name, b.Created).ID == id {
			return b, catalog, r, nil
		}
	}
	return nil, catalog, compute.Role{}, apierror.MissingRole(id)
}

func (h roles) list(c *Call) (any, error) {
	b, _, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return list(c, "roles", roles, func(r compute.Role) roleJSON { return h.render(b, r) })
}

func (h roles) get(c *Call) (any, error) {
	b, _, r, err := h.roleWithID(c, c.PathValue("role"))
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return h.render(b, r), nil
}

func (h roles) create(c *Call) (any, error) {
	var in roleJSON
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	role, err := h.newRole(in.Spec)
	if err != nil {
		return nil, err
	}
	id := c.URL.Query().Get("role_id")
	if id == "" {
		id = model.IDFor(role.Name)
	}
	if err := model.CheckID("role_id", id); err != nil {
		return nil, err
	}
	b, catalog, roles, err := h.rolesOf(c)
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	taken := taken(b.Roles, roleNames(roles), b.Created, role.Name, id)
	h.ws.Unlock()
	if taken {
		return nil, apierror.BadRequest("role with that name already exists")
	}
	if err := catalog.CreateRole(c.Context(), role); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	return h.record(b, role, model.Record{ID: id, Created: h.ws.Now()})
}

func roleNames(roles []compute.Role) []string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = r.Name
	}
	return names
}

// record saves the id of a role that was created or changed.
func (h roles) record(b *model.Branch, r compute.Role, n model.Record) (any, error) {
	h.ws.Lock()
	n.Name, n.Updated = r.Name, h.ws.Now()
	b.Roles.Put(n)
	reply := h.render(b, r)
	h.ws.Unlock()
	return h.done(reply.Name, "Role", reply)
}

func (h roles) update(c *Call) (any, error) {
	var in roleJSON
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c,
		"spec", "spec.postgres_role", "spec.auth_method", "spec.identity_type", "spec.membership_roles",
		"spec.attributes", "spec.attributes.bypassrls", "spec.attributes.createdb", "spec.attributes.createrole")
	if err != nil {
		return nil, err
	}
	b, catalog, r, err := h.roleWithID(c, c.PathValue("role"))
	if err != nil {
		return nil, err
	}
	in.Spec.applyTo(&r, mask)
	if err := catalog.AlterRole(c.Context(), r); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	h.ws.Lock()
	n := b.Roles.Of(r.Name, b.Created)
	h.ws.Unlock()
	return h.record(b, r, n)
}

// applyTo changes the fields of r that mask names.
func (s roleSpec) applyTo(r *compute.Role, mask fieldMask) {
	if mask.has("spec.auth_method") && s.AuthMethod != "" {
		r.NoLogin = s.AuthMethod == authNone
	}
	if mask.has("spec.membership_roles") {
		r.Superuser = len(s.MembershipRoles) > 0
	}
	if mask.has("spec.attributes.bypassrls") {
		r.BypassRLS = s.Attributes.BypassRLS
	}
	if mask.has("spec.attributes.createdb") {
		r.CreateDB = s.Attributes.CreateDB
	}
	if mask.has("spec.attributes.createrole") {
		r.CreateRole = s.Attributes.CreateRole
	}
}

func (h roles) delete(c *Call) (any, error) {
	b, catalog, r, err := h.roleWithID(c, c.PathValue("role"))
	if err != nil {
		return nil, err
	}
	heir := c.URL.Query().Get("reassign_owned_to")
	if heir != "" {
		_, _, role, err := h.roleWithID(c, lastPart(heir))
		if err != nil {
			return nil, err
		}
		heir = role.Name
	}
	if err := catalog.DropRole(c.Context(), r.Name, heir); err != nil {
		return nil, apierror.FromPostgres(err)
	}
	h.ws.Lock()
	n := b.Roles.Of(r.Name, b.Created)
	b.Roles.Remove(n.ID, n.Name)
	path := rolePath(b, n)
	h.ws.Unlock()
	return h.done(path, "Role", emptyResponse())
}
