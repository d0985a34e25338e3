package rest

import (
	"net/http"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// How a role logs in, as the API spells it.
const (
	authOAuth    = "LAKEBASE_OAUTH_V1"
	authPassword = "PG_PASSWORD_SCRAM_SHA_256"
	authNone     = "NO_LOGIN"

	identityUnspecified  = "IDENTITY_TYPE_UNSPECIFIED"
	identityPostgresOnly = "PG_ONLY" // of instances
	membershipSuperuser  = "DATABRICKS_SUPERUSER"
)

type roleJSON struct {
	resource[roleFields]
	RoleID string `json:"role_id,omitempty"`
}

type roleFields struct {
	RoleID          string         `json:"role_id"` // of replies
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

// roles has the roles of branches or instances.
type roles struct{ objects[compute.Role] }

// roleRoutes routes the calls on roles, and on the databases that they own.
func (a *API) roleRoutes() {
	all := objects[compute.Role]{
		API: a, kind: "Role", all: (*compute.Compute).Roles, missing: apierror.MissingRole,
		name: func(r compute.Role) string { return r.Name },
	}
	ofInstances := instanceRoles{roles{all}}
	ofInstances.pattern, ofInstances.field = instancesPath+"/{name}/roles", "database_instance_roles"
	ofInstances.objects.render = ofInstances.render
	ofInstances.readRoutes()
	a.resource("POST "+ofInstances.pattern, decoded(ofInstances.create))
	a.resource("DELETE "+ofInstances.pattern+"/{id}", ofInstances.delete)

	ofBranches := roles{all}
	ofBranches.pattern, ofBranches.field = branchPath+"/roles", "roles"
	ofBranches.records = func(b *model.Branch) *model.Records { return &b.Roles }
	ofBranches.objects.render = ofBranches.render
	ofBranches.readRoutes()
	a.resource("POST "+ofBranches.pattern, decoded(ofBranches.create))
	a.resource("PATCH "+ofBranches.pattern+"/{id}", masked(roleMask, ofBranches.update))
	a.resource("DELETE "+ofBranches.pattern+"/{id}", ofBranches.delete)
	databases{roles: ofBranches}.routes()
}

func (h roles) render(b *model.Branch, r compute.Role) any {
	n := h.record(b, r)
	j := roleJSON{RoleID: n.ID}
	j.common = h.common(b, n)
	j.Status = &roleFields{
		RoleID: n.ID, PostgresRole: r.Name, IdentityType: identityUnspecified, AuthMethod: authPassword,
		Attributes: roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole},
	}
	if r.OAuth {
		j.Status.IdentityType, j.Status.AuthMethod = h.ws.State.KindOf(r.Name), authOAuth
	}
	if r.NoLogin {
		j.Status.AuthMethod = authNone
	}
	if r.Superuser {
		j.Status.MembershipRoles = []string{membershipSuperuser}
	}
	return j
}

// newRole checks the specification of a role that is to be created.
func (h roles) newRole(s roleFields) (compute.Role, error) {
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
	if p := h.ws.State.Principal(role.Name); p == nil || p.Kind != s.IdentityType {
		return role, apierror.Invalid("%s '%s' does not exist in the workspace", s.IdentityType, role.Name)
	}
	return role, nil
}

func (h roles) create(c *Call, in roleJSON) (any, error) {
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
	return h.objects.create(c, role, id, (*compute.Compute).CreateRole, func(old compute.Role) (compute.Role, error) {
		role.Name, role.OAuth = old.Name, old.OAuth
		return role, c.branch.Compute.AlterRole(c.Context(), role)
	})
}

// roleMask has the fields that an update may name.
var roleMask = []string{
	"spec", "spec.postgres_role", "spec.auth_method", "spec.identity_type", "spec.membership_roles",
	"spec.attributes", "spec.attributes.bypassrls", "spec.attributes.createdb", "spec.attributes.createrole",
}

func (h roles) update(c *Call, in roleJSON, mask fieldMask) (any, error) {
	return h.objects.update(c, func(r compute.Role) (compute.Role, error) {
		in.Spec.applyTo(&r, mask)
		return r, c.branch.Compute.AlterRole(c.Context(), r)
	})
}

// applyTo changes the fields of r that mask names.
func (s roleFields) applyTo(r *compute.Role, mask fieldMask) {
	if mask.has("spec.auth_method") && s.AuthMethod != "" {
		r.NoLogin = s.AuthMethod == authNone
	}
	replace(mask, "spec.membership_roles", &r.Superuser, len(s.MembershipRoles) > 0)
	replace(mask, "spec.attributes.bypassrls", &r.BypassRLS, s.Attributes.BypassRLS)
	replace(mask, "spec.attributes.createdb", &r.CreateDB, s.Attributes.CreateDB)
	replace(mask, "spec.attributes.createrole", &r.CreateRole, s.Attributes.CreateRole)
}

func (h roles) delete(c *Call) (any, error) {
	return h.objects.delete(c, func(r compute.Role) error {
		heir := c.URL.Query().Get("reassign_owned_to")
		if heir != "" {
			id := heir
			if h.records != nil {
				id = lastPart(heir)
			}
			role, err := h.find(c, id)
			if err != nil {
				return err
			}
			heir = role.Name
		}
		return c.branch.Compute.DropRole(c.Context(), r.Name, heir)
	})
}

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
type instanceRoles struct{ roles }

func (h instanceRoles) render(b *model.Branch, r compute.Role) any {
	attributes := &roleAttributes{r.BypassRLS, r.CreateDB, r.CreateRole}
	j := instanceRoleJSON{
		Name: r.Name, IdentityType: identityPostgresOnly, InstanceName: b.Title(),
		Attributes: attributes, EffectiveAttributes: attributes,
	}
	if r.OAuth {
		j.IdentityType = h.ws.State.KindOf(r.Name)
	}
	if r.Superuser {
		j.MembershipRole = membershipSuperuser
	}
	return j
}

func (h instanceRoles) create(c *Call, in instanceRoleJSON) (any, error) {
	spec := roleFields{PostgresRole: in.Name, IdentityType: in.IdentityType}
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
	return h.objects.create(c, role, role.Name, (*compute.Compute).CreateRole, nil)
}

func (h instanceRoles) delete(c *Call) (any, error) {
	if c.URL.Query().Get("allow_missing") == "true" {
		_, err := h.find(c, c.PathValue("id"))
		if err != nil && apierror.From(err).Status == http.StatusNotFound {
			return struct{}{}, nil
		}
	}
	return h.roles.delete(c)
}
