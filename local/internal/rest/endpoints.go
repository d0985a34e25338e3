package rest

import (
	"context"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const (
	typeReadWrite = "ENDPOINT_TYPE_READ_WRITE"
	typeReadOnly  = "ENDPOINT_TYPE_READ_ONLY"
)

// endpointJSON is an endpoint on the wire.
type endpointJSON struct {
	resourceJSON
	EndpointID string          `json:"endpoint_id,omitempty"`
	Spec       endpointSpec    `json:"spec,omitzero"`
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

// endpoints has the endpoints of branches.
type endpoints struct{ *API }

func (h endpoints) routes() {
	h.locked("GET "+endpointsPath, func(c *Call) (any, error) { return list(c, "endpoints", c.branch.Endpoints, h.render) })
	h.resource("POST "+endpointsPath, decoded(h.create))
	h.locked("GET "+endpointsPath+"/{endpoint}", func(c *Call) (any, error) { return h.render(c.endpoint), nil })
	h.resource("PATCH "+endpointsPath+"/{endpoint}", masked(endpointFields, h.update))
	h.locked("DELETE "+endpointsPath+"/{endpoint}", h.delete)
}

// render is the endpoint on the wire. The caller holds the lock.
func (h endpoints) render(e *model.Endpoint) endpointJSON {
	status := &endpointStatus{
		EndpointID: e.ID, EndpointType: typeReadWrite, Disabled: e.Disabled,
		settingsJSON: h.renderSettings(e.Settings),
		Group:        groupJSON(e.Availability),
		Settings:     map[string]any{},
		Hosts:        h.hosts(e),
	}
	if e.ReadOnly {
		status.EndpointType = typeReadOnly
	}
	if e.PGSettings != nil {
		status.Settings["pg_settings"] = e.PGSettings
	}
	status.CurrentState, status.PendingState = EndpointState(e)
	return endpointJSON{
		resourceJSON: resourceJSON{e.Path(), e.UID, e.Branch.Path(), e.Created, e.Updated}, EndpointID: e.ID,
		Status: status,
	}
}

// hosts returns the hosts of an endpoint, none before it can be connected to.
func (h endpoints) hosts(e *model.Endpoint) map[string]string {
	if !e.Branch.Ready {
		return nil
	}
	fields := map[string]hosts.Kind{
		"host": hosts.Main, "read_only_host": hosts.ReadOnly,
		"read_write_pooled_host": hosts.Pooled, "read_only_pooled_host": hosts.ReadOnlyPooled,
	}
	if e.ReadOnly {
		fields = map[string]hosts.Kind{"host": hosts.Main, "read_only_host": hosts.Main, "read_only_pooled_host": hosts.Pooled}
	}
	found := map[string]string{}
	for field, kind := range fields {
		if b, ok := h.ws.Hosts.Host(e.Key, kind); ok {
			found[field] = b.Host
		}
	}
	return found
}

// EndpointState returns the state of an endpoint in the API, and the state that
// it will have soon. The caller holds the workspace's lock.
func EndpointState(e *model.Endpoint) (current, pending string) {
	switch {
	case !e.Branch.Ready, e.Change == model.Starting:
		return "INIT", "ACTIVE"
	case e.Change == model.FailingOver:
		return "DEGRADED", "ACTIVE"
	}
	switch e.Compute().State() {
	case compute.Active:
		return "ACTIVE", ""
	case compute.Waking:
		return "IDLE", "ACTIVE"
	}
	return "IDLE", ""
}

func (h endpoints) create(c *Call, in endpointJSON) (any, error) {
	spec := in.Spec
	if spec.EndpointType != typeReadWrite && spec.EndpointType != typeReadOnly {
		return nil, apierror.Required("endpoint.spec.endpoint_type")
	}
	settings, err := spec.model()
	if err != nil {
		return nil, err
	}
	b, query := c.branch, c.URL.Query()
	id := query.Get("endpoint_id")
	if query.Get("replace_existing") == "true" {
		h.ws.Lock()
		c.endpoint = b.Endpoint(id)
		h.ws.Unlock()
		if c.endpoint != nil {
			return h.update(c, in, everything)
		}
	}
	e, err := h.ws.AddEndpoint(b, id, spec.EndpointType == typeReadOnly, func(e *model.Endpoint) {
		e.Settings = settings.WithDefaults(e.Settings)
		e.Availability = spec.Group.model().WithDefaults()
		e.Disabled = isTrue(spec.Disabled)
		if spec.Settings != nil {
			e.PGSettings = spec.Settings.PGSettings
		}
	})
	if err != nil {
		return nil, err
	}
	return h.later(e.Path(), "Endpoint", func(ctx context.Context) error {
		if isTrue(spec.Disabled) {
			return nil
		}
		return e.Compute().Wake(ctx)
	}, func() any { return h.render(e) }), nil
}

// endpointFields are the fields that an update may name.
var endpointFields = []string{
	"spec", "spec.autoscaling_limit_max_cu", "spec.autoscaling_limit_min_cu", "spec.disabled",
	"spec.group", "spec.group.enable_readable_secondaries", "spec.group.max", "spec.group.min",
	"spec.settings", "spec.settings.pg_settings", "spec.suspension",
}

// update ends after the reply. Suspension takes effect at the next start of the
// server.
func (h endpoints) update(c *Call, in endpointJSON, mask fieldMask) (any, error) {
	spec, e := in.Spec, c.endpoint
	settings, err := spec.model()
	if err != nil {
		return nil, err
	}
	if spec.EndpointType != "" && (spec.EndpointType == typeReadOnly) != e.ReadOnly {
		return nil, apierror.Invalid("endpoint_type of '%s' cannot be changed", e.Path())
	}
	h.ws.Lock()
	e.Settings = mask.settings("spec", e.Settings, settings)
	if mask.has("spec.settings.pg_settings") && spec.Settings != nil {
		e.PGSettings = spec.Settings.PGSettings
	}
	availability := mask.availability(e.Availability, spec.Group)
	e.Updated = h.ws.Now()
	disabled := e.Disabled
	h.ws.Unlock()

	if err := h.ws.SetAvailability(e, availability); err != nil {
		return nil, err
	}
	return h.later(e.Path(), "Endpoint", func(ctx context.Context) error {
		switch {
		case !mask.has("spec.disabled") || spec.Disabled == nil || *spec.Disabled == disabled:
			return nil
		case *spec.Disabled:
			return h.ws.Stop(ctx, e)
		}
		return h.ws.Start(ctx, e)
	}, func() any { return h.render(e) }), nil
}

func (h endpoints) delete(c *Call) (any, error) {
	e := c.endpoint
	if !e.ReadOnly {
		return nil, apierror.ManagedByParent("Cannot delete read-write endpoint '%s'. Read-write endpoints cannot be deleted.", e.Path())
	}
	return h.later(e.Path(), "Endpoint", h.ws.DeleteEndpoint(e), emptyResponse), nil
}
