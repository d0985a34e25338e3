package rest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const (
	postgresPath    = "/api/2.0/postgres/"
	projectsPath    = postgresPath + "projects"
	branchSizeLimit = 8 << 40 // bytes
)

// projectJSON is a project on the wire: requests have a spec, replies a status.
type projectJSON struct {
	resourceJSON
	ProjectID       string         `json:"project_id,omitempty"`
	Spec            projectSpec    `json:"spec,omitzero"`
	Status          *projectStatus `json:"status,omitempty"`
	InitialEndpoint struct {
		Group *groupJSON `json:"group,omitempty"`
	} `json:"initial_endpoint_spec,omitzero"`
}

type projectSpec struct {
	DisplayName   string        `json:"display_name,omitempty"`
	PGVersion     int           `json:"pg_version,omitempty"`
	NativeLogin   *bool         `json:"enable_pg_native_login,omitempty"`
	BudgetPolicy  string        `json:"budget_policy_id,omitempty"`
	CustomTags    []model.Tag   `json:"custom_tags,omitempty"`
	DefaultBranch string        `json:"default_branch,omitempty"`
	Retention     protoDuration `json:"history_retention_duration,omitempty"`
	Defaults      settingsJSON  `json:"default_endpoint_settings,omitzero"`
}

type projectStatus struct {
	ProjectID       string        `json:"project_id"`
	DisplayName     string        `json:"display_name"`
	Owner           string        `json:"owner"`
	PGVersion       int           `json:"pg_version"`
	DefaultBranch   string        `json:"default_branch,omitempty"`
	NativeLogin     bool          `json:"enable_pg_native_login"`
	BudgetPolicy    string        `json:"budget_policy_id,omitempty"`
	CustomTags      []model.Tag   `json:"custom_tags,omitempty"`
	Retention       protoDuration `json:"history_retention_duration"`
	Defaults        settingsJSON  `json:"default_endpoint_settings"`
	BranchSizeLimit int64         `json:"branch_logical_size_limit_bytes"`
	StorageSize     int64         `json:"synthetic_storage_size_bytes"`
}

// projects has the Autoscaling projects.
type projects struct{ *router }

func (h projects) routes() {
	h.resource("GET "+projectsPath, h.locked(h.list))
	h.resource("POST "+projectsPath, decoded(h.create))
	h.resource("GET "+projectsPath+"/{project}", h.locked(h.get))
	h.resource("PATCH "+projectsPath+"/{project}", masked(projectFields, h.update))
	h.resource("DELETE "+projectsPath+"/{project}", h.delete)
	h.resource("GET "+projectsPath+"/{project}/operations/{operation}", h.getOperation)
	for _, path := range []string{"catalogs", "catalogs/{rest...}", "synced_tables", "synced_tables/{rest...}"} {
		h.resource(postgresPath+path, notImplemented)
	}
}

// render is the project on the wire. The caller holds the lock.
func (h projects) render(p *model.Project) projectJSON {
	j := projectJSON{
		resourceJSON: resourceJSON{p.Path(), p.UID, "", p.Created, p.Updated}, ProjectID: p.ID,
		Status: &projectStatus{
			ProjectID: p.ID, DisplayName: p.Display, Owner: p.Owner, PGVersion: h.ws.Major(),
			NativeLogin: p.NativeLogin, BudgetPolicy: p.Budget, CustomTags: p.Tags,
			Retention: protoDuration(p.Retention), Defaults: h.renderSettings(p.Defaults), BranchSizeLimit: branchSizeLimit,
		},
	}
	j.Status.Defaults.PGSettings = p.PGSettings
	if b := p.DefaultBranch(); b != nil {
		j.Status.DefaultBranch = b.Path()
	}
	return j
}

// project returns the project that the call's path names. The caller holds the
// lock.
func (r *router) project(c *Call) (*model.Project, error) {
	if p := r.ws.State.Project(c.PathValue("project")); p != nil {
		return p, nil
	}
	return nil, apierror.Missing("project")
}

func (h projects) list(c *Call) (any, error) {
	return list(c, "projects", h.ws.State.Projects, h.render)
}

func (h projects) get(c *Call) (any, error) {
	p, err := h.project(c)
	if err != nil {
		return nil, err
	}
	return h.render(p), nil
}

func (h projects) create(c *Call, in projectJSON) (any, error) {
	defaults, err := in.Spec.check(h.ws.Major())
	if err != nil {
		return nil, err
	}
	in.Spec.DefaultBranch = "" // there is no other than the first
	p, err := h.ws.AddProject(c.URL.Query().Get("project_id"), c.caller.Name, func(p *model.Project) error {
		return in.Spec.applyTo(p, defaults, fieldMask{all: true})
	}, in.InitialEndpoint.Group.model())
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
func (s projectSpec) check(major int) (model.Settings, error) {
	if s.PGVersion != 0 && s.PGVersion != 16 && s.PGVersion != 17 && s.PGVersion != major {
		return model.Settings{}, apierror.Invalid("pg_version must be 16 or 17, got %d.", s.PGVersion)
	}
	if r := time.Duration(s.Retention); r != 0 && (r < 48*time.Hour || r > 30*24*time.Hour) {
		return model.Settings{}, apierror.Invalid("history_retention_duration must be between 172800s and 2592000s, got %vs.", r.Seconds())
	}
	return s.Defaults.model()
}

// projectFields are the fields that an update may name.
var projectFields = []string{
	"spec", "initial_branch_spec", "initial_endpoint_spec",
	"spec.budget_policy_id", "spec.custom_tags", "spec.default_branch", "spec.default_endpoint_settings",
	"spec.default_endpoint_settings.autoscaling_limit_max_cu", "spec.default_endpoint_settings.autoscaling_limit_min_cu",
	"spec.default_endpoint_settings.pg_settings", "spec.default_endpoint_settings.suspension",
	"spec.display_name", "spec.enable_pg_native_login", "spec.history_retention_duration",
}

func (h projects) update(c *Call, in projectJSON, mask fieldMask) (any, error) {
	defaults, err := in.Spec.check(h.ws.Major())
	if err != nil {
		return nil, err
	}
	h.ws.Lock()
	p, err := h.project(c)
	if err == nil {
		err = in.Spec.applyTo(p, defaults, mask)
	}
	if err != nil {
		h.ws.Unlock()
		return nil, err
	}
	p.Updated = h.ws.Now()
	reply := h.render(p)
	h.ws.Unlock()
	return h.done(reply.Name, "Project", reply)
}

// applyTo changes the fields of p that mask names.
func (s projectSpec) applyTo(p *model.Project, defaults model.Settings, mask fieldMask) error {
	if mask.has("spec.default_branch") && s.DefaultBranch != "" {
		b := p.BranchAt(s.DefaultBranch)
		if b == nil {
			return apierror.Missing("branch")
		}
		for _, other := range p.Branches {
			other.Default = other == b
		}
	}
	if mask.has("spec.display_name") && s.DisplayName != "" {
		p.Display = s.DisplayName
	}
	if mask.has("spec.enable_pg_native_login") && s.NativeLogin != nil {
		p.NativeLogin = *s.NativeLogin
	}
	if mask.has("spec.budget_policy_id") {
		p.Budget = s.BudgetPolicy
	}
	if mask.has("spec.custom_tags") && s.CustomTags != nil {
		p.Tags = s.CustomTags
	}
	if mask.has("spec.history_retention_duration") && s.Retention > 0 {
		p.Retention = time.Duration(s.Retention)
	}
	const settings = "spec.default_endpoint_settings"
	p.Defaults = mask.settings(settings, p.Defaults, defaults)
	if mask.has(settings+".pg_settings") && s.Defaults.PGSettings != nil {
		p.PGSettings = s.Defaults.PGSettings
	}
	return nil
}

func (h projects) delete(c *Call) (any, error) {
	h.ws.Lock()
	p, err := h.project(c)
	var branches []*model.Branch
	if err == nil {
		branches = slices.Clone(p.Branches)
		err = deletable(branches...)
	}
	h.ws.Unlock()
	if err != nil {
		return nil, err
	}
	var jobs []func(context.Context) error
	for _, b := range branches {
		jobs = append(jobs, h.ws.DeleteBranch(b))
	}
	return h.later(p.Path(), "Project", func(ctx context.Context) error {
		var errs []error
		for _, job := range jobs {
			errs = append(errs, job(ctx))
		}
		return errors.Join(errs...)
	}, emptyResponse), nil
}
