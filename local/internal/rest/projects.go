package rest

import (
	"context"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

const (
	postgresPath    = "/api/2.0/postgres/"
	projectsPath    = postgresPath + "projects"
	branchSizeLimit = 8 << 40 // bytes
)

type projectJSON struct {
	resource[projectFields]
	ProjectID string `json:"project_id,omitempty"`
	deletionJSON

	// of requests
	InitialEndpoint initialEndpoint `json:"initial_endpoint_spec,omitzero"`
	InitialBranch   branchFields    `json:"initial_branch_spec,omitzero"`
}

type initialEndpoint struct {
	settingsJSON
	Group *groupJSON `json:"group,omitempty"`
}

// deletionJSON is a deletion that can be undone, on the wire.
type deletionJSON struct {
	DeleteTime time.Time `json:"delete_time,omitzero"`
	PurgeTime  time.Time `json:"purge_time,omitzero"`
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

	LastActive time.Time `json:"compute_last_active_time,omitzero"`
}

const (
	projectPath     = projectsPath + "/{project}"
	undeleteProject = "POST " + projectPath + "/undelete"
)

// projects has the projects, also those that are instances.
type projects struct{ *API }

func (h projects) routes() {
	h.locked("GET "+projectsPath, func(c *Call) (any, error) {
		return list(c, "projects", shown(c, h.ws.State.Projects, (*model.Project).Gone), h.render)
	})
	h.resource("POST "+projectsPath, decoded(h.create))
	h.locked("GET "+projectPath, func(c *Call) (any, error) { return h.render(c.project), nil })
	h.locked("PATCH "+projectPath, masked(projectMask, h.update))
	h.locked("DELETE "+projectPath, h.delete)
	h.locked(undeleteProject, h.undelete)
}

// shown returns those of a list that the call asks for: without those that are
// deleted, unless it says so.
func shown[T any](c *Call, all []*T, gone func(*T) bool) []*T {
	if c.URL.Query().Get("show_deleted") == "true" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), gone)
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
	j.deletionJSON = deletionJSON{p.Deleted, p.Purge}
	for _, b := range p.Branches {
		if b.Compute.LastUse().After(j.Status.LastActive) {
			j.Status.LastActive = b.Compute.LastUse().UTC()
		}
	}
	if b := p.DefaultBranch(); b != nil {
		j.Status.DefaultBranch = b.Path()
	}
	return j
}

func (h projects) create(c *Call, in projectJSON) (any, error) {
	in.Spec.DefaultBranch = "" // there is no other than the first
	p, err := h.ws.AddProject(c.URL.Query().Get("project_id"), c.caller.Name, func(p *model.Project, b *model.Branch) error {
		initial, err := in.InitialEndpoint.model()
		if err == nil {
			err = in.Spec.applyTo(p, h.ws, everything)
		}
		if err != nil {
			return err
		}
		e := b.Primary()
		e.Settings, e.PGSettings = everything.settings("spec", p.Defaults, initial), p.PGSettings
		e.Availability = everything.availability(e.Availability, in.InitialEndpoint.Group).WithDefaults()
		b.Protected = in.InitialBranch.IsProtected
		return nil
	})
	if err != nil {
		return nil, err
	}
	return h.later(p.Path(), "Project", func(ctx context.Context) error {
		return h.ws.Provision(ctx, p.Branches[0], nil, c.caller.Name)
	}, func() any { return h.render(p) }), nil
}

// check refuses values that the service does not accept and versions of Postgres
// that are not here, and returns the default settings.
func (s projectFields) check(ws *workspace.Workspace) (model.Settings, error) {
	if s.PGVersion != 0 && s.PGVersion != ws.Major() {
		return model.Settings{}, apierror.Invalid("pg_version must be %d, got %d: this local Lakebase runs PostgreSQL %s, and reports another version with --pg-version.",
			ws.Major(), s.PGVersion, ws.PostgresVersion())
	}
	const day = 24 * time.Hour
	if r := time.Duration(s.Retention); r != 0 && (r < 2*day || r > 35*day) {
		return model.Settings{}, apierror.Invalid("history_retention_duration must be between 172800s and 3024000s, got %vs.", r.Seconds())
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
	if err := in.Spec.applyTo(p, h.ws, mask); err != nil {
		return nil, err
	}
	p.Updated = h.ws.Now()
	return h.done(p.Path(), "Project", h.render(p)), nil
}

// applyTo checks the fields and changes those of p that mask names.
func (s projectFields) applyTo(p *model.Project, ws *workspace.Workspace, mask fieldMask) error {
	defaults, err := s.check(ws)
	if err != nil {
		return err
	}
	if mask.has("spec.default_branch") && s.DefaultBranch != "" {
		b := p.BranchAt(s.DefaultBranch)
		if b == nil || b.Gone() {
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

// delete is final if the call says so, or if the project is deleted already.
func (h projects) delete(c *Call) (any, error) {
	p := c.project
	if err := deletable(p.Branches...); err != nil {
		return nil, err
	}
	if c.URL.Query().Get("purge") == "true" {
		return h.later(p.Path(), "Project", h.ws.Purge(p.Branches...), emptyResponse), nil
	}
	if p.Gone() {
		return nil, apierror.Missing("project")
	}
	p.Delete(h.ws.Now())
	return h.later(p.Path(), "Project", h.ws.Delete(p.Branches...), emptyResponse), nil
}

func (h projects) undelete(c *Call) (any, error) {
	p := c.project
	if !p.Gone() {
		return nil, apierror.BadRequest("project '%s' is not deleted", p.Path())
	}
	p.Deletion = model.Deletion{}
	job, err := h.ws.Undelete(p.Branches...)
	if err != nil {
		return nil, err
	}
	return h.later(p.Path(), "Project", job, func() any { return h.render(p) }), nil
}
