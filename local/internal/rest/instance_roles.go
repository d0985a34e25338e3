package rest

import (
	"net/http"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const identityPostgresOnly = "PG_ONLY"

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

func (h instanceRoles) routes() {
	h.readRoutes()
	h.resource("POST "+h.pattern, decoded(h.create))
	h.resource("DELETE "+h.pattern+"/{id}", h.delete)
}

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
	return h.objects.create(c, role, role.Name, compute.Catalog.CreateRole)
}

func (h instanceRoles) delete(c *Call) (any, error) {
	if c.URL.Query().Get("allow_missing") == "true" {
		_, _, err := h.find(c, c.PathValue("id"))
		if err != nil && apierror.From(err).Status == http.StatusNotFound {
			return struct{}{}, nil
		}
	}
	return h.roles.delete(c)
}
