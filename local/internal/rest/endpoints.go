package rest

import (
	"cmp"
	"context"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const (
	typeReadWrite = "ENDPOINT_TYPE_READ_WRITE"
	typeReadOnly  = "ENDPOINT_TYPE_READ_ONLY"
)

type endpointJSON struct {
	resource[endpointFields]
	EndpointID string `json:"endpoint_id,omitempty"`
}

type endpointFields struct {
	EndpointType string `json:"endpoint_type"`
	settingsJSON
	Disabled *bool             `json:"disabled"`
	Group    *groupJSON        `json:"group"`
	Settings *endpointSettings `json:"settings"`

	// of replies
	EndpointID   string            `json:"endpoint_id"`
	LastActive   time.Time         `json:"last_active_time,omitzero"`
	CurrentState string            `json:"current_state"`
	PendingState string            `json:"pending_state,omitempty"`
	Hosts        map[string]string `json:"hosts,omitempty"`
}

type endpointSettings struct {
	PGSettings map[string]string `json:"pg_settings,omitempty"`
}

const endpointsPath = branchPath + "/endpoints"

// endpoints has the endpoints of branches.
type endpoints struct{ *API }

func (h endpoints) routes() {
	h.locked("GET "+endpointsPath, func(c *Call) (any, error) { return list(c, "endpoints", c.branch.Endpoints, h.render) })
	h.resource("POST "+endpointsPath, decoded(h.create))
	h.locked("GET "+endpointsPath+"/{endpoint}", func(c *Call) (any, error) { return h.render(c.endpoint), nil })
	h.resource("PATCH "+endpointsPath+"/{endpoint}", masked(endpointMask, h.update))
	h.locked("DELETE "+endpointsPath+"/{endpoint}", h.delete)
}

// render is the endpoint on the wire. The caller holds the lock.
func (h endpoints) render(e *model.Endpoint) endpointJSON {
	j := endpointJSON{EndpointID: e.ID}
	j.common = common{e.Path(), e.UID, e.Branch.Path(), e.Created, e.Updated}
	j.Status = &endpointFields{
		EndpointID: e.ID, EndpointType: typeReadWrite, Disabled: pointer(e.Disabled),
		settingsJSON: h.renderSettings(e.Settings), Group: pointer(groupJSON(e.Availability)),
		Settings: &endpointSettings{e.PGSettings}, Hosts: h.hosts(e), LastActive: e.Compute().LastUse().UTC(),
	}
	if e.ReadOnly {
		j.Status.EndpointType = typeReadOnly
	}
	j.Status.CurrentState, j.Status.PendingState = EndpointState(e)
	return j
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
		e.Availability = spec.applyTo(e, settings, everything).WithDefaults()
		e.Disabled = isTrue(spec.Disabled)
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

// endpointMask has the fields that an update may name.
var endpointMask = []string{
	"spec", "spec.autoscaling_limit_max_cu", "spec.autoscaling_limit_min_cu", "spec.disabled",
	"spec.group", "spec.group.enable_readable_secondaries", "spec.group.max", "spec.group.min",
	"spec.settings", "spec.settings.pg_settings", "spec.suspension",
}

// applyTo changes the fields of e that mask names, except for the availability,
// which it returns.
func (s endpointFields) applyTo(e *model.Endpoint, settings model.Settings, mask fieldMask) model.Availability {
	e.Settings = mask.settings("spec", e.Settings, settings)
	if mask.has("spec.settings.pg_settings") && s.Settings != nil {
		e.PGSettings = s.Settings.PGSettings
	}
	return mask.availability(e.Availability, s.Group)
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
	availability := spec.applyTo(e, settings, mask)
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
	switch {
	case e.Branch.Protected:
		return nil, apierror.BadRequest("endpoint cannot be deleted for a protected branch")
	case !e.ReadOnly:
		return nil, apierror.ManagedByParent("Cannot delete read-write endpoint '%s'. Read-write endpoints cannot be deleted.", e.Path())
	}
	return h.later(e.Path(), "Endpoint", h.ws.DeleteEndpoint(e), emptyResponse), nil
}

// serviceSuspend is the suspend timeout that the API shows if there is none.
const serviceSuspend = 24 * time.Hour

// settingsJSON are endpoint settings on the wire.
type settingsJSON struct {
	MinCU      float64           `json:"autoscaling_limit_min_cu,omitempty"`
	MaxCU      float64           `json:"autoscaling_limit_max_cu,omitempty"`
	Suspend    *protoDuration    `json:"suspend_timeout_duration,omitempty"`
	NoSuspend  bool              `json:"no_suspension,omitempty"`
	PGSettings map[string]string `json:"pg_settings,omitempty"`
}

// model checks the settings.
func (s settingsJSON) model() (model.Settings, error) {
	m := model.Settings{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if s.Suspend != nil {
		m.Suspend = time.Duration(*s.Suspend)
		if m.Suspend < time.Minute || m.Suspend > 7*24*time.Hour {
			return m, apierror.Invalid("suspend_timeout_duration must be between 60s and 604800s, got %vs.", m.Suspend.Seconds())
		}
	}
	smallest, largest := cmp.Or(m.MinCU, m.MaxCU, 1), cmp.Or(m.MaxCU, m.MinCU, 1)
	switch {
	case smallest < 0.5 || largest < smallest:
		return m, apierror.Invalid("autoscaling limits must be at least 0.5, and the maximum not below the minimum")
	case largest > 112 || largest > 64 && smallest != largest:
		return m, apierror.Invalid("autoscaling limits must be at most 64, or a fixed size of at most 112, got %v to %v.", smallest, largest)
	case largest-smallest > 16:
		return m, apierror.Invalid("autoscaling limits must differ by at most 16, got %v to %v.", smallest, largest)
	}
	return m, nil
}

// renderSettings is the reverse of model. It shows the timeout in force.
func (a *API) renderSettings(s model.Settings) settingsJSON {
	j := settingsJSON{MinCU: s.MinCU, MaxCU: s.MaxCU, NoSuspend: s.NoSuspend}
	if !s.NoSuspend {
		j.Suspend = pointer(protoDuration(cmp.Or(s.SuspendAfter(a.ws.SuspendAfter), serviceSuspend)))
	}
	return j
}

// settings returns old with the fields under prefix changed that the mask
// names. suspension stands for the two fields that set it.
func (m fieldMask) settings(prefix string, old, in model.Settings) model.Settings {
	set(m, prefix+".autoscaling_limit_min_cu", &old.MinCU, in.MinCU)
	set(m, prefix+".autoscaling_limit_max_cu", &old.MaxCU, in.MaxCU)
	if m.has(prefix+".suspension") && (in.Suspend != 0 || in.NoSuspend) {
		old.Suspend, old.NoSuspend = in.Suspend, in.NoSuspend
	}
	return old.WithDefaults(model.Settings{})
}

// groupJSON is the high availability of an endpoint on the wire.
type groupJSON struct {
	Min      int  `json:"min"`
	Max      int  `json:"max"`
	Readable bool `json:"enable_readable_secondaries"`
}

// availability returns old with the fields changed that the mask names.
func (m fieldMask) availability(old model.Availability, in *groupJSON) model.Availability {
	if in == nil {
		return old
	}
	set(m, "spec.group.min", &old.Min, in.Min)
	set(m, "spec.group.max", &old.Max, in.Max)
	replace(m, "spec.group.enable_readable_secondaries", &old.Readable, in.Readable)
	return old
}
