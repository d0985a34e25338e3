package rest

import (
	"context"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const (
	postgresPath    = "/api/2.0/postgres/"
	projectsPath    = postgresPath + "projects"
	branchSizeLimit = 8 << 40 // bytes
)

type projectJSON struct {
	resource[projectFields]
	ProjectID       string `json:"project_id,omitempty"`
	InitialEndpoint struct {
		Group *groupJSON `json:"group,omitempty"`
	} `json:"initial_endpoint_spec,omitzero"`
}

type projectFields struct {
	DisplayName   string        `json:"display_name"`
	PGVersion     int           `json:"pg_version"`
	DefaultBranch string        `json:"default_branch,omitempty"`
	NativeLogin   *bool         `json:"enable_pg_native_login"`
	BudgetPolicy  string        `json:"budget_policy_id,omitempty"`
	CustomTags    []model.Tag   `json:"custom_tags,omitempty"`
	Retention     protoDuration `json:"history_retention_duration"`
	Defaults      settingsJSON  `json:"default_endpoint_settings"`

	// of replies
	ProjectID       string `json:"project_id"`
	Owner           string `json:"owner"`
	BranchSizeLimit int64  `json:"branch_logical_size_limit_bytes"`
	StorageSize     int64  `json:"synthetic_storage_size_bytes"`
}

// projects has the Autoscaling projects.
type projects struct{ *API }

func (h projects) routes() {
	h.locked("GET "+projectsPath, func(c *Call) (any, error) { return list(c, "projects", h.ws.State.Projects, h.render) })
	h.resource("POST "+projectsPath, decoded(h.create))
	h.locked("GET "+projectsPath+"/{project}", func(c *Call) (any, error) { return h.render(c.project), nil })
	h.locked("PATCH "+projectsPath+"/{project}", masked(projectMask, h.update))
	h.locked("DELETE "+projectsPath+"/{project}", h.delete)
}

// render is the project on the wire. The caller holds the lock.
func (h projects) render(p *model.Project) projectJSON {
	j := projectJSON{ProjectID: p.ID}
	j.common = common{p.Path(), p.UID, "", p.Created, p.Updated}
	j.Status = &projectFields{
		ProjectID: p.ID, DisplayName: p.Display, Owner: p.Owner, PGVersion: h.ws.Major(),
		NativeLogin: pointer(p.NativeLogin), BudgetPolicy: p.Budget, CustomTags: p.Tags,
		Retention: protoDuration(p.Retention), Defaults: h.renderSettings(p.Defaults), BranchSizeLimit: branchSizeLimit,
	}
	j.Status.Defaults.PGSettings = p.PGSettings
	if b := p.DefaultBranch(); b != nil {
		j.Status.DefaultBranch = b.Path()
	}
	return j
}

func (h projects) create(c *Call, in projectJSON) (any, error) {
	in.Spec.DefaultBranch = "" // there is no other than the first
	p, err := h.ws.AddProject(c.URL.Query().Get("project_id"), c.caller.Name, func(p *model.Project) error {
		return in.Spec.applyTo(p, h.ws.Major(), everything)
	}, everything.availability(model.Availability{}, in.InitialEndpoint.Group))
	if err != nil {
		return nil, err
	}
	return h.later(p.Path(), "Project", func(ctx context.Context) error {
		return h.ws.Provision(ctx, p.Branches[0], nil, c.caller.Name)
	}, func() any { return h.render(p) }), nil
}

// check refuses values that the service does not accept, and returns the default
// settings. A version of Postgres that the service has is accepted, although
// there is only the one that is installed.
func (s projectFields) check(major int) (model.Settings, error) {
	if s.PGVersion != 0 && s.PGVersion != 16 && s.PGVersion != 17 && s.PGVersion != major {
		return model.Settings{}, apierror.Invalid("pg_version must be 16 or 17, got %d.", s.PGVersion)
	}
	if r := time.Duration(s.Retention); r != 0 && (r < 48*time.Hour || r > 30*24*time.Hour) {
		return model.Settings{}, apierror.Invalid("history_retention_duration must be between 172800s and 2592000s, got %vs.", r.Seconds())
	}
	return s.Defaults.model()
}

// projectMask has the fields that an update may name.
var projectMask = []string{
	"spec", "initial_branch_spec", "initial_endpoint_spec",
	"spec.budget_policy_id", "spec.custom_tags", "spec.default_branch", "spec.default_endpoint_settings",
	"spec.default_endpoint_settings.autoscaling_limit_max_cu", "spec.default_endpoint_settings.autoscaling_limit_min_cu",
	"spec.default_endpoint_settings.pg_settings", "spec.default_endpoint_settings.suspension",
	"spec.display_name", "spec.enable_pg_native_login", "spec.history_retention_duration",
}

func (h projects) update(c *Call, in projectJSON, mask fieldMask) (any, error) {
	p := c.project
	if err := in.Spec.applyTo(p, h.ws.Major(), mask); err != nil {
		return nil, err
	}
	p.Updated = h.ws.Now()
	return h.done(p.Path(), "Project", h.render(p)), nil
}

// applyTo checks the fields and changes those of p that mask names.
func (s projectFields) applyTo(p *model.Project, major int, mask fieldMask) error {
	defaults, err := s.check(major)
	if err != nil {
		return err
	}
	if mask.has("spec.default_branch") && s.DefaultBranch != "" {
		b := p.BranchAt(s.DefaultBranch)
		if b == nil {
			return apierror.Missing("branch")
		}
		for _, other := range p.Branches {
			other.Default = other == b
		}
	}
	set(mask, "spec.display_name", &p.Display, s.DisplayName)
	setBool(mask, "spec.enable_pg_native_login", &p.NativeLogin, s.NativeLogin)
	replace(mask, "spec.budget_policy_id", &p.Budget, s.BudgetPolicy)
	if mask.has("spec.custom_tags") && s.CustomTags != nil {
		p.Tags = s.CustomTags
	}
	set(mask, "spec.history_retention_duration", &p.Retention, time.Duration(s.Retention))
	const settings = "spec.default_endpoint_settings"
	p.Defaults = mask.settings(settings, p.Defaults, defaults)
	if mask.has(settings+".pg_settings") && s.Defaults.PGSettings != nil {
		p.PGSettings = s.Defaults.PGSettings
	}
	return nil
}

func (h projects) delete(c *Call) (any, error) {
	branches := c.project.Branches
	if err := deletable(branches...); err != nil {
		return nil, err
	}
	return h.later(c.project.Path(), "Project", h.ws.DeleteBranches(branches...), emptyResponse), nil
}
