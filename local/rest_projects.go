package local

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

const postgresPath = "/api/2.0/postgres/"

// projectJSON is a project on the wire: spec comes in, status goes out.
type projectJSON struct {
	Name            string         `json:"name"`
	ProjectID       string         `json:"project_id,omitempty"`
	UID             string         `json:"uid,omitempty"`
	CreateTime      time.Time      `json:"create_time,omitzero"`
	UpdateTime      time.Time      `json:"update_time,omitzero"`
	Spec            *projectSpecIn `json:"spec,omitempty"`
	Status          *projectStatus `json:"status,omitempty"`
	InitialEndpoint *struct {
		Group *groupJSON `json:"group,omitempty"`
	} `json:"initial_endpoint_spec,omitempty"`
}

type projectSpecIn struct {
	DisplayName   string        `json:"display_name,omitempty"`
	PGVersion     int           `json:"pg_version,omitempty"`
	NativeLogin   *bool         `json:"enable_pg_native_login,omitempty"`
	BudgetPolicy  string        `json:"budget_policy_id,omitempty"`
	CustomTags    []customTag   `json:"custom_tags,omitempty"`
	DefaultBranch string        `json:"default_branch,omitempty"`
	Retention     protoDuration `json:"history_retention_duration,omitempty"`
	Defaults      *settingsJSON `json:"default_endpoint_settings,omitempty"`
}

type projectStatus struct {
	ProjectID       string        `json:"project_id"`
	DisplayName     string        `json:"display_name"`
	Owner           string        `json:"owner"`
	PGVersion       int           `json:"pg_version"`
	DefaultBranch   string        `json:"default_branch,omitempty"`
	NativeLogin     bool          `json:"enable_pg_native_login"`
	BudgetPolicy    string        `json:"budget_policy_id,omitempty"`
	CustomTags      []customTag   `json:"custom_tags,omitempty"`
	Retention       protoDuration `json:"history_retention_duration"`
	Defaults        settingsJSON  `json:"default_endpoint_settings"`
	BranchSizeLimit int64         `json:"branch_logical_size_limit_bytes"`
	StorageSize     int64         `json:"synthetic_storage_size_bytes"`
}

// settingsJSON are endpoint settings on the wire, in and out.
type settingsJSON struct {
	MinCU      float64           `json:"autoscaling_limit_min_cu,omitempty"`
	MaxCU      float64           `json:"autoscaling_limit_max_cu,omitempty"`
	Suspend    *protoDuration    `json:"suspend_timeout_duration,omitempty"`
	NoSuspend  bool              `json:"no_suspension,omitempty"`
	PGSettings map[string]string `json:"pg_settings,omitempty"`
}

type groupJSON struct {
	Min      int  `json:"min"`
	Max      int  `json:"max"`
	Readable bool `json:"enable_readable_secondaries"`
}

func (g *groupJSON) model() endpointGroup {
	if g == nil {
		return endpointGroup{}
	}
	return endpointGroup{Min: g.Min, Max: g.Max, Readable: g.Readable}
}

// model checks settings and turns them into what is kept.
func (s *settingsJSON) model() (endpointSettings, error) {
	if s == nil {
		return endpointSettings{}, nil
	}
	m := endpointSettings{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if s.Suspend != nil {
		m.Suspend = time.Duration(*s.Suspend)
		if m.Suspend < time.Minute || m.Suspend > 7*24*time.Hour {
			return m, errInvalid("suspend_timeout_duration must be between 60s and 604800s, got %vs.", m.Suspend.Seconds())
		}
	}
	if m.MinCU != 0 && m.MinCU < 0.5 || m.MaxCU != 0 && m.MaxCU < cmp.Or(m.MinCU, 0.5) {
		return m, errInvalid("autoscaling limits must be at least 0.5, and the maximum not below the minimum")
	}
	return m, nil
}

// renderSettings is the reverse of model, with what is really in force.
func (w *workspace) renderSettings(s endpointSettings) settingsJSON {
	j := settingsJSON{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if !s.NoSuspend {
		suspend := protoDuration(cmp.Or(s.effectiveSuspend(w.suspend), defaultSuspend))
		j.Suspend = &suspend
	}
	return j
}

func (a *restAPI) projectRoutes() {
	a.resource("GET "+postgresPath+"projects", a.listProjects)
	a.resource("POST "+postgresPath+"projects", a.createProject)
	a.resource("GET "+postgresPath+"projects/{project}", a.getProject)
	a.resource("PATCH "+postgresPath+"projects/{project}", a.updateProject)
	a.resource("DELETE "+postgresPath+"projects/{project}", a.deleteProject)
	a.resource("GET "+postgresPath+"projects/{project}/operations/{operation}", a.getOperation)
	a.resource("POST "+postgresPath+"credentials", a.endpointCredential)
	for _, path := range []string{"catalogs", "catalogs/{rest...}", "synced_tables", "synced_tables/{rest...}"} {
		a.resource(postgresPath+path, func(*call) (any, error) { return nil, errNotImplemented("catalogs and synced tables") })
	}
}

// renderProject is the project as the API has it. The caller holds mu.
func (w *workspace) renderProject(p *project) projectJSON {
	j := projectJSON{
		Name: p.name(), ProjectID: p.ID, UID: p.UID, CreateTime: p.Created, UpdateTime: p.Updated,
		Status: &projectStatus{
			ProjectID: p.ID, DisplayName: p.Display, Owner: p.Owner, PGVersion: w.major(),
			NativeLogin: p.NativeLogin, BudgetPolicy: p.Budget, CustomTags: p.Tags,
			Retention: protoDuration(p.Retention), Defaults: w.renderSettings(p.Defaults), BranchSizeLimit: branchSizeLimit,
		},
	}
	j.Status.Defaults.PGSettings = p.PGSettings
	if b := p.defaultBranch(); b != nil {
		j.Status.DefaultBranch = b.name()
	}
	return j
}

// project finds the one that the call's path names. The caller holds mu.
func (c *call) project(w *workspace) (*project, error) {
	if p := w.state.project(c.PathValue("project")); p != nil {
		return p, nil
	}
	return nil, errMissing("project")
}

func (a *restAPI) listProjects(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	part, next, err := page(c, a.ws.state.Projects)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Projects []projectJSON `json:"projects,omitempty"`
		Next     string        `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, p := range part {
		reply.Projects = append(reply.Projects, a.ws.renderProject(p))
	}
	return reply, nil
}

func (a *restAPI) getProject(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	p, err := c.project(a.ws)
	if err != nil {
		return nil, err
	}
	return a.ws.renderProject(p), nil
}

func (a *restAPI) createProject(c *call) (any, error) {
	in := projectJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Spec == nil {
		in.Spec = &projectSpecIn{}
	}
	if err := in.Spec.check(a.ws.major()); err != nil {
		return nil, err
	}
	defaults, err := in.Spec.Defaults.model()
	if err != nil {
		return nil, err
	}
	spec := projectSpec{
		ID: c.URL.Query().Get("project_id"), Display: in.Spec.DisplayName,
		NativeLogin: in.Spec.NativeLogin == nil || *in.Spec.NativeLogin,
		Budget:      in.Spec.BudgetPolicy, Retention: time.Duration(in.Spec.Retention), Tags: in.Spec.CustomTags, Defaults: defaults,
	}
	if in.Spec.Defaults != nil {
		spec.PGSettings = in.Spec.Defaults.PGSettings
	}
	if in.InitialEndpoint != nil {
		spec.Group = in.InitialEndpoint.Group.model()
	}
	p, err := a.ws.addProject(spec, c.caller.Name)
	if err != nil {
		return nil, err
	}
	return a.later(p.name(), "Project", func(ctx context.Context) error {
		return a.ws.provision(ctx, p.Branches[0], nil, c.caller.Name)
	}, func() any { return a.ws.locked(func() any { return a.ws.renderProject(p) }) }), nil
}

// locked is f under mu.
func (w *workspace) locked(f func() any) any {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f()
}

// check refuses what the service does not know. The one version that exists
// here is that of the PostgreSQL installed; asking for another the service
// has is not an error, but the answer says what there is.
func (s *projectSpecIn) check(major int) error {
	if s.PGVersion != 0 && s.PGVersion != 16 && s.PGVersion != 17 && s.PGVersion != major {
		return errInvalid("pg_version must be 16 or 17, got %d.", s.PGVersion)
	}
	if r := time.Duration(s.Retention); r != 0 && (r < 48*time.Hour || r > 30*24*time.Hour) {
		return errInvalid("history_retention_duration must be between 172800s and 2592000s, got %vs.", r.Seconds())
	}
	return nil
}

var projectMask = []string{
	"spec", "initial_branch_spec", "initial_endpoint_spec",
	"spec.budget_policy_id", "spec.custom_tags", "spec.default_branch", "spec.default_endpoint_settings",
	"spec.default_endpoint_settings.autoscaling_limit_max_cu", "spec.default_endpoint_settings.autoscaling_limit_min_cu",
	"spec.default_endpoint_settings.pg_settings", "spec.default_endpoint_settings.suspension",
	"spec.display_name", "spec.enable_pg_native_login", "spec.history_retention_duration",
}

func (a *restAPI) updateProject(c *call) (any, error) {
	in := projectJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, projectMask)
	if err != nil {
		return nil, err
	}
	if in.Spec == nil {
		in.Spec = &projectSpecIn{}
	}
	if err := in.Spec.check(a.ws.major()); err != nil {
		return nil, err
	}
	defaults, err := in.Spec.Defaults.model()
	if err != nil {
		return nil, err
	}
	a.ws.mu.Lock()
	p, err := c.project(a.ws)
	if err == nil {
		err = p.apply(in.Spec, defaults, mask)
	}
	if err != nil {
		a.ws.mu.Unlock()
		return nil, err
	}
	p.Updated = a.ws.now()
	reply := a.ws.renderProject(p)
	a.ws.mu.Unlock()
	return a.done(reply.Name, "Project", reply), a.ws.save()
}

// apply takes over the fields that mask names.
func (p *project) apply(in *projectSpecIn, defaults endpointSettings, mask fieldMask) error {
	if mask.has("spec.default_branch") && in.DefaultBranch != "" {
		b := find(p.Branches, func(b *branch) bool { return b.name() == in.DefaultBranch })
		if b == nil {
			return errMissing("branch")
		}
		for _, other := range p.Branches {
			other.Default = other == b
		}
	}
	if mask.has("spec.display_name") && in.DisplayName != "" {
		p.Display = in.DisplayName
	}
	if mask.has("spec.enable_pg_native_login") && in.NativeLogin != nil {
		p.NativeLogin = *in.NativeLogin
	}
	if mask.has("spec.budget_policy_id") {
		p.Budget = in.BudgetPolicy
	}
	if mask.has("spec.custom_tags") && in.CustomTags != nil {
		p.Tags = in.CustomTags
	}
	if mask.has("spec.history_retention_duration") && in.Retention > 0 {
		p.Retention = time.Duration(in.Retention)
	}
	const settings = "spec.default_endpoint_settings"
	p.Defaults = mask.settings(settings, p.Defaults, defaults)
	if mask.has(settings+".pg_settings") && in.Defaults != nil && in.Defaults.PGSettings != nil {
		p.PGSettings = in.Defaults.PGSettings
	}
	return nil
}

// settings takes over the settings under prefix that the mask names. The two
// ways to say when to suspend go under one name.
func (m fieldMask) settings(prefix string, old, in endpointSettings) endpointSettings {
	if !m.has(prefix+".autoscaling_limit_min_cu") || in.MinCU == 0 {
		in.MinCU = old.MinCU
	}
	if !m.has(prefix+".autoscaling_limit_max_cu") || in.MaxCU == 0 {
		in.MaxCU = old.MaxCU
	}
	if !m.has(prefix+".suspension") || in.Suspend == 0 && !in.NoSuspend {
		in.Suspend, in.NoSuspend = old.Suspend, old.NoSuspend
	}
	return in.withDefaults(endpointSettings{})
}

func (a *restAPI) deleteProject(c *call) (any, error) {
	a.ws.mu.Lock()
	p, err := c.project(a.ws)
	var branches []*branch
	if err == nil {
		branches = slices.Clone(p.Branches)
		err = deletable(branches)
	}
	a.ws.mu.Unlock()
	if err != nil {
		return nil, err
	}
	jobs := make([]func(context.Context) error, 0, len(branches))
	for _, b := range branches {
		jobs = append(jobs, a.ws.deleteBranch(b))
	}
	return a.later(p.name(), "Project", func(ctx context.Context) error {
		var errs []error
		for _, job := range jobs {
			errs = append(errs, job(ctx))
		}
		return errors.Join(errs...)
	}, func() any { return emptyResponse }), nil
}

// deletable refuses branches that are protected or not there yet.
func deletable(branches []*branch) error {
	for _, b := range branches {
		switch {
		case b.Protected:
			return errBadRequest("cannot delete protected branch")
		case !b.Ready:
			return errBadRequest("branch '%s' is still being created", b.name())
		}
	}
	return nil
}
