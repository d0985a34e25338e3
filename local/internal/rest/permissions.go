package rest

import (
	"slices"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// permissionLevels are the levels of a project or instance, with what they allow.
// They are saved and shown, and have no effect.
var permissionLevels = []map[string]string{
	{"permission_level": "CAN_USE", "description": "Can connect to the databases, and list their resources"},
	{"permission_level": "CAN_MANAGE", "description": "Can change and delete it, and grant permissions on it"},
}

// aclJSON is a list of permissions in a request.
type aclJSON struct {
	List []model.Permission `json:"access_control_list"`
}

// permissions has the permissions of projects and instances.
type permissions struct{ *API }

func (h permissions) routes() {
	for kind, find := range map[string]func(*model.Project, string) bool{
		"database-projects":  func(p *model.Project, id string) bool { return p.ID == id || p.UID == id },
		"database-instances": func(p *model.Project, id string) bool { return p.Instance != nil && p.ID == id },
	} {
		path := "/api/2.0/permissions/" + kind + "/{object}"
		on := func(f func(p *model.Project, c *Call) (any, error)) Handler {
			return func(c *Call) (any, error) {
				id := c.PathValue("object")
				i := slices.IndexFunc(h.ws.State.Projects, func(p *model.Project) bool { return find(p, id) })
				if i < 0 {
					return nil, apierror.Missing("project")
				}
				return f(h.ws.State.Projects[i], c)
			}
		}
		render := func(p *model.Project) any { return h.render(p, kind) }
		h.locked("GET "+path, on(func(p *model.Project, _ *Call) (any, error) { return render(p), nil }))
		h.locked("GET "+path+"/permissionLevels", on(func(*model.Project, *Call) (any, error) {
			return map[string]any{"permission_levels": permissionLevels}, nil
		}))
		change := func(keep bool) Handler {
			return on(func(p *model.Project, c *Call) (any, error) {
				if err := h.change(p, c, keep); err != nil {
					return nil, err
				}
				return render(p), nil
			})
		}
		h.locked("PUT "+path, change(false))
		h.locked("PATCH "+path, change(true))
	}
}

// change replaces the permissions of p, or adds to them if the others are kept.
func (h permissions) change(p *model.Project, c *Call, keep bool) error {
	var in aclJSON
	if err := c.Decode(&in); err != nil {
		return err
	}
	var all []model.Permission
	if keep {
		all = p.Permissions
	}
	for _, new := range in.List {
		name := new.User + new.Group + new.ServicePrincipal
		known := slices.ContainsFunc(permissionLevels, func(l map[string]string) bool { return l["permission_level"] == new.Level })
		switch {
		case !known:
			return apierror.Invalid("permission_level must be CAN_USE or CAN_MANAGE, got '%s'.", new.Level)
		case h.ws.State.Principal(name) == nil:
			return apierror.Invalid("Principal: '%s' does not exist", name)
		}
		all = append(slices.DeleteFunc(slices.Clone(all), func(old model.Permission) bool {
			old.Level = new.Level
			return old == new
		}), new)
	}
	p.Permissions = all
	return nil
}

// render is the list on the wire. The owner can always manage.
func (h permissions) render(p *model.Project, kind string) any {
	owner := model.Permission{User: p.Owner, Level: "CAN_MANAGE"}
	if h.ws.State.KindOf(p.Owner) == model.ServicePrincipal {
		owner.User, owner.ServicePrincipal = "", p.Owner
	}
	var list []map[string]any
	for _, a := range append([]model.Permission{owner}, p.Permissions...) {
		entry := map[string]any{"all_permissions": []map[string]any{{"permission_level": a.Level, "inherited": false}}}
		for field, name := range map[string]string{"user_name": a.User, "group_name": a.Group, "service_principal_name": a.ServicePrincipal} {
			if name != "" {
				entry[field] = name
			}
		}
		list = append(list, entry)
	}
	return map[string]any{"object_id": "/" + kind + "/" + p.ID, "object_type": kind, "access_control_list": list}
}
