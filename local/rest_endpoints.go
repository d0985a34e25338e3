package local

import (
	"context"
	"slices"
	"time"
)

const (
	typeReadWrite = "ENDPOINT_TYPE_READ_WRITE"
	typeReadOnly  = "ENDPOINT_TYPE_READ_ONLY"
)

// endpointJSON is an endpoint on the wire.
type endpointJSON struct {
	Name       string          `json:"name"`
	EndpointID string          `json:"endpoint_id,omitempty"`
	UID        string          `json:"uid,omitempty"`
	Parent     string          `json:"parent,omitempty"`
	CreateTime time.Time       `json:"create_time,omitzero"`
	UpdateTime time.Time       `json:"update_time,omitzero"`
	Spec       *endpointSpec   `json:"spec,omitempty"`
	Status     *endpointStatus `json:"status,omitempty"`
}

type endpointSpec struct {
	EndpointType string `json:"endpoint_type,omitempty"`
	settingsJSON
	Disabled *bool      `json:"disabled,omitempty"`
	Group    *groupJSON `json:"group,omitempty"`
	Settings *struct {
		PGSettings map[string]string `json:"pg_settings,omitempty"`
	} `json:"settings,omitempty"`
}

type endpointStatus struct {
	EndpointID   string `json:"endpoint_id"`
	EndpointType string `json:"endpoint_type"`
	CurrentState string `json:"current_state"`
	PendingState string `json:"pending_state,omitempty"`
	Disabled     bool   `json:"disabled"`
	settingsJSON
	Group    groupJSON         `json:"group"`
	Settings map[string]any    `json:"settings"`
	Hosts    map[string]string `json:"hosts,omitempty"`
}

const endpointsPath = branchesPath + "/{branch}/endpoints"

func (a *restAPI) endpointRoutes() {
	a.resource("GET "+endpointsPath, a.listEndpoints)
	a.resource("POST "+endpointsPath, a.createEndpoint)
	a.resource("GET "+endpointsPath+"/{endpoint}", a.getEndpoint)
	a.resource("PATCH "+endpointsPath+"/{endpoint}", a.updateEndpoint)
	a.resource("DELETE "+endpointsPath+"/{endpoint}", a.deleteEndpoint)
	a.resource("GET "+endpointsPath+"/{endpoint}/operations/{operation}", a.getOperation)
}

// renderEndpoint is the endpoint as the API has it. The caller holds mu.
func (w *workspace) renderEndpoint(e *endpoint) endpointJSON {
	status := &endpointStatus{
		EndpointID: e.ID, EndpointType: typeReadWrite, Disabled: e.Disabled,
		settingsJSON: w.renderSettings(e.Settings),
		Group:        groupJSON{Min: e.Group.Min, Max: e.Group.Max, Readable: e.Group.Readable},
		Settings:     map[string]any{},
		Hosts:        w.endpointHosts(e),
	}
	if e.ReadOnly {
		status.EndpointType = typeReadOnly
	}
	if e.Postgres != nil {
		status.Settings["pg_settings"] = e.Postgres
	}
	status.CurrentState, status.PendingState = endpointState(e)
	return endpointJSON{
		Name: e.name(), EndpointID: e.ID, UID: e.UID, Parent: e.branch.name(), CreateTime: e.Created, UpdateTime: e.Updated,
		Status: status,
	}
}

// endpointHosts are named once there is something behind them.
func (w *workspace) endpointHosts(e *endpoint) map[string]string {
	if !e.branch.Ready {
		return nil
	}
	hosts := map[string]string{}
	add := func(field string, kind doorKind) {
		if host, _, ok := w.hosts.address(e, kind); ok {
			hosts[field] = host
		}
	}
	add("host", doorMain)
	if e.ReadOnly {
		add("read_only_host", doorMain)
		add("read_only_pooled_host", doorPooled)
		return hosts
	}
	add("read_only_host", doorReadOnly)
	add("read_write_pooled_host", doorPooled)
	add("read_only_pooled_host", doorReadOnlyPooled)
	return hosts
}

// endpointState is what the API says of the endpoint, and what comes next.
func endpointState(e *endpoint) (current, pending string) {
	switch {
	case !e.branch.Ready, e.changing == starting:
		return "INIT", "ACTIVE"
	case e.changing == failingOver:
		return "DEGRADED", "ACTIVE"
	}
	switch e.compute().state() {
	case computeActive:
		return "ACTIVE", ""
	case computeWaking:
		return "IDLE", "ACTIVE"
	}
	return "IDLE", ""
}

// endpoint finds the one that the call's path names. The caller holds mu.
func (c *call) endpoint(w *workspace) (*endpoint, error) {
	b, err := c.branch(w)
	if err != nil {
		return nil, err
	}
	if e := b.endpoint(c.PathValue("endpoint")); e != nil {
		return e, nil
	}
	return nil, errMissing("endpoint")
}

func (a *restAPI) listEndpoints(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	b, err := c.branch(a.ws)
	if err != nil {
		return nil, err
	}
	part, next, err := page(c, b.Endpoints)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Endpoints []endpointJSON `json:"endpoints,omitempty"`
		Next      string         `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, e := range part {
		reply.Endpoints = append(reply.Endpoints, a.ws.renderEndpoint(e))
	}
	return reply, nil
}

func (a *restAPI) getEndpoint(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	e, err := c.endpoint(a.ws)
	if err != nil {
		return nil, err
	}
	return a.ws.renderEndpoint(e), nil
}

func (a *restAPI) createEndpoint(c *call) (any, error) {
	in := endpointJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	spec := endpointSpec{}
	if in.Spec != nil {
		spec = *in.Spec
	}
	if !slices.Contains([]string{typeReadWrite, typeReadOnly}, spec.EndpointType) {
		return nil, errRequired("endpoint.spec.endpoint_type")
	}
	settings, err := spec.model()
	if err != nil {
		return nil, err
	}
	b, err := a.lookupBranch(c)
	if err != nil {
		return nil, err
	}
	id := c.URL.Query().Get("endpoint_id")
	if c.URL.Query().Get("replace_existing") == "true" && a.ws.locked(func() any { return b.endpoint(id) != nil }) == true {
		c.SetPathValue("endpoint", id)
		return a.changeEndpoint(c, spec, settings, fieldMask{all: true})
	}
	e, err := a.ws.addEndpoint(b, id, spec.EndpointType == typeReadOnly, func(e *endpoint) {
		e.Settings = settings.withDefaults(e.Settings)
		e.Group = spec.Group.model().withDefaults()
		e.Disabled = isTrue(spec.Disabled)
		if spec.Settings != nil {
			e.Postgres = spec.Settings.PGSettings
		}
	})
	if err != nil {
		return nil, err
	}
	return a.later(e.name(), "Endpoint", func(ctx context.Context) error {
		if err := a.ws.save(); err != nil || isTrue(spec.Disabled) {
			return err
		}
		return e.compute().wake(ctx)
	}, func() any { return a.ws.locked(func() any { return a.ws.renderEndpoint(e) }) }), nil
}

var endpointMask = []string{
	"spec", "spec.autoscaling_limit_max_cu", "spec.autoscaling_limit_min_cu", "spec.disabled",
	"spec.group", "spec.group.enable_readable_secondaries", "spec.group.max", "spec.group.min",
	"spec.settings", "spec.settings.pg_settings", "spec.suspension",
}

func (a *restAPI) updateEndpoint(c *call) (any, error) {
	in := endpointJSON{}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, endpointMask)
	if err != nil {
		return nil, err
	}
	if in.Spec == nil {
		in.Spec = &endpointSpec{}
	}
	settings, err := in.Spec.model()
	if err != nil {
		return nil, err
	}
	return a.changeEndpoint(c, *in.Spec, settings, mask)
}

// changeEndpoint applies an update. Suspension and Postgres settings take
// effect when the compute is next set up, at a start of the server.
func (a *restAPI) changeEndpoint(c *call, spec endpointSpec, settings endpointSettings, mask fieldMask) (any, error) {
	w := a.ws
	w.mu.Lock()
	e, err := c.endpoint(w)
	if err == nil && spec.EndpointType != "" && (spec.EndpointType == typeReadOnly) != e.ReadOnly {
		err = errInvalid("endpoint_type of '%s' cannot be changed", e.name())
	}
	if err != nil {
		w.mu.Unlock()
		return nil, err
	}
	e.Settings = mask.settings("spec", e.Settings, settings)
	if mask.has("spec.settings.pg_settings") && spec.Settings != nil {
		e.Postgres = spec.Settings.PGSettings
	}
	group := mask.group(e.Group, spec.Group)
	e.Updated = w.now()
	disabled := e.Disabled
	w.mu.Unlock()

	if err := w.regroup(e, group); err != nil {
		return nil, err
	}
	return a.later(e.name(), "Endpoint", func(ctx context.Context) error {
		if mask.has("spec.disabled") && spec.Disabled != nil && *spec.Disabled != disabled {
			if *spec.Disabled {
				return w.stop(ctx, e)
			}
			return w.start(ctx, e)
		}
		return w.save()
	}, func() any { return w.locked(func() any { return w.renderEndpoint(e) }) }), nil
}

// group takes over what the mask names of a group.
func (m fieldMask) group(old endpointGroup, in *groupJSON) endpointGroup {
	if in == nil {
		return old
	}
	if m.has("spec.group.min") {
		old.Min = in.Min
	}
	if m.has("spec.group.max") {
		old.Max = in.Max
	}
	if m.has("spec.group.enable_readable_secondaries") {
		old.Readable = in.Readable
	}
	return old
}

func (a *restAPI) deleteEndpoint(c *call) (any, error) {
	a.ws.mu.Lock()
	e, err := c.endpoint(a.ws)
	if err == nil && !e.ReadOnly {
		err = errManagedByParent("Cannot delete read-write endpoint '" + e.name() + "'. Read-write endpoints cannot be deleted.")
	}
	if err != nil {
		a.ws.mu.Unlock()
		return nil, err
	}
	name := e.name()
	a.ws.mu.Unlock()
	return a.later(name, "Endpoint", a.ws.deleteEndpoint(e), func() any { return emptyResponse }), nil
}
