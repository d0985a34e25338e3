package local

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// How a role logs in, as the API spells it.
const (
	authOAuth    = "LAKEBASE_OAUTH_V1"
	authPassword = "PG_PASSWORD_SCRAM_SHA_256"
	authNone     = "NO_LOGIN"

	identityUnspecified  = "IDENTITY_TYPE_UNSPECIFIED"
	membershipSuperuser  = "DATABRICKS_SUPERUSER"
	identityPostgresOnly = "PG_ONLY" // the Provisioned API's word
)

// roleJSON is a role of a branch on the wire.
type roleJSON struct {
	Name       string      `json:"name"`
	RoleID     string      `json:"role_id,omitempty"`
	Parent     string      `json:"parent,omitempty"`
	CreateTime time.Time   `json:"create_time,omitzero"`
	UpdateTime time.Time   `json:"update_time,omitzero"`
	Spec       *roleSpec   `json:"spec,omitempty"`
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

func (a *restAPI) roleRoutes() {
	a.resource("GET "+rolesPath, a.listRoles)
	a.resource("POST "+rolesPath, a.createRole)
	a.resource("GET "+rolesPath+"/{role}", a.getRole)
	a.resource("PATCH "+rolesPath+"/{role}", a.updateRole)
	a.resource("DELETE "+rolesPath+"/{role}", a.deleteRole)
	a.resource("GET "+rolesPath+"/{role}/operations/{operation}", a.getOperation)
	a.instanceRoleRoutes()
}

// renderRole is the role as the API has it. The caller holds mu.
func (b *branch) renderRole(r pgRole) roleJSON {
	n := b.Roles.of(r.Name, b.Created)
	status := &roleStatus{
		RoleID: n.ID, PostgresRole: r.Name, IdentityType: r.Identity, AuthMethod: authOAuth,
		Attributes: roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole},
	}
	if r.Identity == "" {
		status.IdentityType, status.AuthMethod = identityUnspecified, authPassword
	}
	if r.NoLogin {
		status.AuthMethod = authNone
	}
	if r.Superuser {
		status.MembershipRoles = []string{membershipSuperuser}
	}
	return roleJSON{
		Name: b.name() + "/roles/" + n.ID, RoleID: n.ID, Parent: b.name(), CreateTime: n.Created, UpdateTime: n.Updated, Status: status,
	}
}

// model checks a role that is to be created.
func (s *roleSpec) model() (pgRole, error) {
	r := pgRole{
		Name: s.PostgresRole, Identity: s.IdentityType, NoLogin: s.AuthMethod == authNone,
		BypassRLS: s.Attributes.BypassRLS, CreateDB: s.Attributes.CreateDB, CreateRole: s.Attributes.CreateRole,
	}
	for _, m := range s.MembershipRoles {
		if m != membershipSuperuser {
			return r, errInvalid("membership_roles may hold %s alone, got '%s'.", membershipSuperuser, m)
		}
		r.Superuser = true
	}
	switch s.IdentityType {
	case identityUser, identityServicePrincipal, identityGroup:
		if s.AuthMethod == authPassword {
			return r, errInvalid("auth_method %s does not go with identity_type %s.", s.AuthMethod, s.IdentityType)
		}
	case "", identityUnspecified:
		r.Identity = ""
		if s.AuthMethod == authOAuth {
			return r, errInvalid("auth_method %s takes an identity_type.", authOAuth)
		}
	default:
		return r, errInvalid("identity_type must be USER, SERVICE_PRINCIPAL or GROUP, got '%s'.", s.IdentityType)
	}
	switch {
	case r.Name == "":
		return r, errRequired("role.spec.postgres_role")
	case len(r.Name) > maxRoleName || serviceRoles[r.Name]:
		return r, errInvalid("'%s' cannot be the name of a role", r.Name)
	}
	return r, nil
}

// known refuses identities that the workspace does not have.
func (w *workspace) known(r pgRole) error {
	if r.Identity == "" {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if p := w.state.principal(r.Name); p == nil || p.Kind != r.Identity {
		return errInvalid("%s '%s' does not exist in the workspace", r.Identity, r.Name)
	}
	return nil
}

// roles asks Postgres for the roles of a branch.
func (w *workspace) roles(ctx context.Context, b *branch) (roles []pgRole, err error) {
	err = w.admin(ctx, b, defaultDatabase, func(conn *pgx.Conn) error {
		roles, err = listRoles(ctx, conn)
		return err
	})
	return roles, err
}

// role finds the branch and role that the call's path names.
func (a *restAPI) role(c *call) (*branch, pgRole, error) {
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, pgRole{}, err
	}
	roles, err := a.ws.roles(c.Context(), b)
	if err != nil {
		return nil, pgRole{}, err
	}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	for _, r := range roles {
		if b.Roles.of(r.Name, b.Created).ID == c.PathValue("role") {
			return b, r, nil
		}
	}
	return nil, pgRole{}, errMissingRole(c.PathValue("role"))
}

func (a *restAPI) listRoles(c *call) (any, error) {
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, err
	}
	roles, err := a.ws.roles(c.Context(), b)
	if err != nil {
		return nil, err
	}
	part, next, err := page(c, roles)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Roles []roleJSON `json:"roles,omitempty"`
		Next  string     `json:"next_page_token,omitempty"`
	}{Next: next}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	for _, r := range part {
		reply.Roles = append(reply.Roles, b.renderRole(r))
	}
	return reply, nil
}

func (a *restAPI) getRole(c *call) (any, error) {
	b, r, err := a.role(c)
	if err != nil {
		return nil, err
	}
	return a.ws.locked(func() any { return b.renderRole(r) }), nil
}

func (a *restAPI) createRole(c *call) (any, error) {
	in := roleJSON{Spec: &roleSpec{}}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	r, err := in.Spec.model()
	if err != nil {
		return nil, err
	}
	if err := a.ws.known(r); err != nil {
		return nil, err
	}
	id := c.URL.Query().Get("role_id")
	if id == "" {
		id = idFor(r.Name)
	}
	if err := checkID("role_id", id); err != nil {
		return nil, err
	}
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, err
	}
	roles, err := a.ws.roles(c.Context(), b)
	if err != nil {
		return nil, err
	}
	a.ws.mu.Lock()
	for _, other := range roles {
		if other.Name == r.Name || b.Roles.of(other.Name, b.Created).ID == id {
			a.ws.mu.Unlock()
			return nil, errBadRequest("role with that name already exists")
		}
	}
	a.ws.mu.Unlock()
	err = a.ws.admin(c.Context(), b, defaultDatabase, func(conn *pgx.Conn) error { return r.create(c.Context(), conn) })
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	a.ws.mu.Lock()
	now := a.ws.now()
	b.Roles.put(named{ID: id, Name: r.Name, Created: now, Updated: now})
	reply := b.renderRole(r)
	a.ws.mu.Unlock()
	return a.done(reply.Name, "Role", reply), a.ws.save()
}

func (a *restAPI) updateRole(c *call) (any, error) {
	in := roleJSON{Spec: &roleSpec{}}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, []string{
		"spec", "spec.postgres_role", "spec.auth_method", "spec.identity_type", "spec.membership_roles",
		"spec.attributes", "spec.attributes.bypassrls", "spec.attributes.createdb", "spec.attributes.createrole",
	})
	if err != nil {
		return nil, err
	}
	b, r, err := a.role(c)
	if err != nil {
		return nil, err
	}
	r.apply(in.Spec, mask)
	err = a.ws.admin(c.Context(), b, defaultDatabase, func(conn *pgx.Conn) error { return r.alter(c.Context(), conn) })
	if err != nil {
		return nil, refusedByPostgres(err)
	}
	a.ws.mu.Lock()
	n := b.Roles.of(r.Name, b.Created)
	n.Updated = a.ws.now()
	b.Roles.put(n)
	reply := b.renderRole(r)
	a.ws.mu.Unlock()
	return a.done(reply.Name, "Role", reply), a.ws.save()
}

// apply takes over the fields that mask names.
func (r *pgRole) apply(in *roleSpec, mask fieldMask) {
	if mask.has("spec.auth_method") && in.AuthMethod != "" {
		r.NoLogin = in.AuthMethod == authNone
	}
	if mask.has("spec.membership_roles") {
		r.Superuser = len(in.MembershipRoles) > 0
	}
	if mask.has("spec.attributes.bypassrls") {
		r.BypassRLS = in.Attributes.BypassRLS
	}
	if mask.has("spec.attributes.createdb") {
		r.CreateDB = in.Attributes.CreateDB
	}
	if mask.has("spec.attributes.createrole") {
		r.CreateRole = in.Attributes.CreateRole
	}
}

func (a *restAPI) deleteRole(c *call) (any, error) {
	b, r, err := a.role(c)
	if err != nil {
		return nil, err
	}
	heir := c.URL.Query().Get("reassign_owned_to")
	if heir != "" {
		c.SetPathValue("role", lastPart(heir))
		_, h, err := a.role(c)
		if err != nil {
			return nil, err
		}
		heir = h.Name
	}
	if err := a.ws.dropRole(c.Context(), b, r.Name, heir); err != nil {
		return nil, refusedByPostgres(err)
	}
	a.ws.mu.Lock()
	n := b.Roles.of(r.Name, b.Created)
	b.Roles.drop(n.ID, n.Name)
	name := b.name() + "/roles/" + n.ID
	a.ws.mu.Unlock()
	return a.done(name, "Role", emptyResponse), a.ws.save()
}
