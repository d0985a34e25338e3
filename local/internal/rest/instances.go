package rest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

const instancesPath = "/api/2.0/database/instances"

var instanceCapacities = []string{"CU_1", "CU_2", "CU_4", "CU_8"}

// instanceJSON is an instance on the wire. Effective values are always present,
// even if false.
type instanceJSON struct {
	Name                   string              `json:"name,omitempty"`
	UID                    string              `json:"uid"`
	Creator                string              `json:"creator"`
	CreationTime           string              `json:"creation_time"`
	State                  string              `json:"state"`
	PGVersion              string              `json:"pg_version"`
	ReadWriteDNS           string              `json:"read_write_dns,omitempty"`
	ReadOnlyDNS            string              `json:"read_only_dns,omitempty"`
	Capacity               string              `json:"capacity,omitempty"`
	EffectiveCapacity      string              `json:"effective_capacity"`
	NodeCount              int                 `json:"node_count,omitempty"`
	EffectiveNodeCount     int                 `json:"effective_node_count"`
	Readable               *bool               `json:"enable_readable_secondaries,omitempty"`
	EffectiveReadable      bool                `json:"effective_enable_readable_secondaries"`
	NativeLogin            *bool               `json:"enable_pg_native_login,omitempty"`
	EffectiveNativeLogin   bool                `json:"effective_enable_pg_native_login"`
	Stopped                *bool               `json:"stopped,omitempty"`
	EffectiveStopped       bool                `json:"effective_stopped"`
	Retention              int                 `json:"retention_window_in_days,omitempty"`
	EffectiveRetention     int                 `json:"effective_retention_window_in_days"`
	UsagePolicyID          string              `json:"usage_policy_id,omitempty"`
	EffectiveUsagePolicyID string              `json:"effective_usage_policy_id,omitempty"`
	CustomTags             []model.Tag         `json:"custom_tags,omitempty"`
	EffectiveCustomTags    []model.Tag         `json:"effective_custom_tags,omitempty"`
	ParentInstanceRef      *model.InstanceRef  `json:"parent_instance_ref,omitempty"`
	ChildInstanceRefs      []model.InstanceRef `json:"child_instance_refs,omitempty"`
}

// instances has the Provisioned database instances.
type instances struct{ *API }

func (h instances) routes() {
	h.locked("GET "+instancesPath, h.list)
	h.resource("POST "+instancesPath, decoded(h.create))
	h.locked("GET "+instancesPath+":findByUid", h.findByUID)
	h.locked("GET "+instancesPath+"/{name}", func(c *Call) (any, error) { return h.render(c, c.instance), nil })
	h.resource("PATCH "+instancesPath+"/{name}", masked(instanceFields, h.update))
	h.locked("DELETE "+instancesPath+"/{name}", h.delete)
}

// render is the instance on the wire. The caller holds the lock.
func (h instances) render(c *Call, i *model.Instance) instanceJSON {
	e, p := i.Endpoint(), i.Project
	days := int(p.Retention / (24 * time.Hour))
	j := instanceJSON{
		Name: p.ID, UID: i.UID, Creator: p.Owner, CreationTime: p.Created.Format(time.RFC3339),
		State: InstanceState(i), PGVersion: fmt.Sprintf("PG_VERSION_%d", h.ws.Major()),
		Capacity: i.Capacity, EffectiveCapacity: i.Capacity,
		NodeCount: i.Nodes, EffectiveNodeCount: i.Nodes,
		Readable: pointer(i.Readable), EffectiveReadable: e.Availability.Readable,
		NativeLogin: pointer(p.NativeLogin), EffectiveNativeLogin: p.NativeLogin,
		Stopped: pointer(e.Disabled), EffectiveStopped: e.Disabled,
		Retention: days, EffectiveRetention: days,
		UsagePolicyID: p.Budget, EffectiveUsagePolicyID: p.Budget,
		CustomTags: p.Tags, EffectiveCustomTags: p.Tags,
		ParentInstanceRef: i.Parent, ChildInstanceRefs: h.ws.State.Children(i),
	}
	if e.Branch.Ready { // there is no host before that
		main, _ := h.ws.Hosts.Host(e.Key, hosts.Main)
		readOnly, _ := h.ws.Hosts.Host(e.Key, hosts.ReadOnly)
		j.ReadWriteDNS, j.ReadOnlyDNS = main.Host, readOnly.Host
	}
	if c.omitName {
		j.Name = ""
	}
	return j
}

// InstanceState returns the state of an instance in the API. The caller holds
// the workspace's lock.
func InstanceState(i *model.Instance) string {
	e := i.Endpoint()
	switch {
	case e.Change == model.Deleting:
		return "DELETING"
	case !e.Branch.Ready, e.Change == model.Starting:
		return "STARTING"
	case e.Change == model.FailingOver:
		return "FAILING_OVER"
	case e.Disabled:
		return "STOPPED"
	}
	return "AVAILABLE"
}

func (h instances) list(c *Call) (any, error) {
	return list(c, "database_instances", h.ws.State.Instances(), func(i *model.Instance) instanceJSON { return h.render(c, i) })
}

func (h instances) findByUID(c *Call) (any, error) {
	uid := c.URL.Query().Get("uid")
	if uid == "" {
		return nil, apierror.Required("uid")
	}
	i := h.ws.State.InstanceWithUID(uid)
	if i == nil {
		return nil, apierror.MissingInstance(uid)
	}
	return h.render(c, i), nil
}

func (h instances) create(c *Call, in instanceJSON) (any, error) {
	if in.Name == "" {
		return nil, apierror.Required("name")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	i, source, err := h.ws.AddInstance(in.Name, c.caller.Name, in.ParentInstanceRef, func(i *model.Instance) {
		in.applyTo(i, everything)
	})
	if err != nil {
		return nil, err
	}
	h.background("instance was not created", in.Name, func(ctx context.Context) error {
		err := h.ws.Provision(ctx, i.Endpoint().Branch, source, c.caller.Name)
		if err == nil && isTrue(in.Stopped) {
			err = h.ws.Stop(ctx, i.Endpoint())
		}
		return err
	})
	h.ws.Lock()
	defer h.ws.Unlock()
	return h.render(c, i), nil
}

// background continues work on an instance after the reply, and logs failure if
// it fails.
func (h instances) background(failure, name string, work func(context.Context) error) {
	h.ws.Background(func(ctx context.Context) {
		if err := work(ctx); err != nil {
			h.o.Logger.Error(failure, "target", name, "error", err)
		}
	})
}

// check refuses values that the service does not accept.
func (in *instanceJSON) check() error {
	switch {
	case in.Capacity != "" && !slices.Contains(instanceCapacities, in.Capacity):
		return apierror.Invalid("capacity must be one of %s, got '%s'.", strings.Join(instanceCapacities, ", "), in.Capacity)
	case in.NodeCount < 0 || in.NodeCount > 3:
		return apierror.Invalid("node_count must be between 1 and 3, got %d.", in.NodeCount)
	case in.Retention != 0 && (in.Retention < 2 || in.Retention > 35):
		return apierror.Invalid("retention_window_in_days must be between 2 and 35, got %d.", in.Retention)
	}
	return nil
}

// instanceFields are the fields that an update may name.
var instanceFields = []string{
	"capacity", "node_count", "enable_readable_secondaries", "enable_pg_native_login", "stopped",
	"retention_window_in_days", "usage_policy_id", "custom_tags",
}

func (h instances) update(c *Call, in instanceJSON, mask fieldMask) (any, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	i := c.instance
	h.ws.Lock()
	in.applyTo(i, mask)
	e, availability := i.Endpoint(), i.Availability()
	stopped := e.Disabled
	h.ws.Unlock()

	if err := h.ws.SetAvailability(e, availability); err != nil {
		return nil, err
	}
	if mask.has("stopped") && in.Stopped != nil && *in.Stopped != stopped {
		if err := h.setStopped(c, e, *in.Stopped); err != nil {
			return nil, err
		}
	}
	h.ws.Lock()
	defer h.ws.Unlock()
	return h.render(c, i), nil
}

// applyTo changes the fields of i that mask names.
func (in *instanceJSON) applyTo(i *model.Instance, mask fieldMask) {
	p := i.Project
	set(mask, "capacity", &i.Capacity, in.Capacity)
	set(mask, "node_count", &i.Nodes, in.NodeCount)
	setBool(mask, "enable_readable_secondaries", &i.Readable, in.Readable)
	setBool(mask, "enable_pg_native_login", &p.NativeLogin, in.NativeLogin)
	set(mask, "retention_window_in_days", &p.Retention, time.Duration(in.Retention)*24*time.Hour)
	set(mask, "usage_policy_id", &p.Budget, in.UsagePolicyID)
	if mask.has("custom_tags") && in.CustomTags != nil {
		p.Tags = in.CustomTags
	}
}

// setStopped stops before the reply. A start continues after the reply, which
// has the state STARTING.
func (h instances) setStopped(c *Call, e *model.Endpoint, stopped bool) error {
	if stopped {
		return h.ws.Stop(context.WithoutCancel(c.Context()), e)
	}
	if h.ws.External() {
		return apierror.Unavailable("stop and start are")
	}
	h.ws.Lock()
	e.Disabled, e.Change = false, model.Starting
	h.ws.Unlock()
	h.background("instance does not start", c.PathValue("name"), func(ctx context.Context) error { return h.ws.Start(ctx, e) })
	return nil
}

// delete is final: this API cannot undo it.
func (h instances) delete(c *Call) (any, error) {
	i, name := c.instance, c.instance.Project.ID
	if !c.branch.Ready {
		return nil, apierror.BadRequest("Database instance %s is still being created", name)
	}
	var children []string
	for _, child := range h.ws.State.Children(i) {
		children = append(children, child.Name)
	}
	switch query := c.URL.Query(); {
	case query.Get("purge") == "false":
		return nil, apierror.Invalid("purge must be true or absent: a database instance cannot be restored")
	case len(children) > 0 && query.Get("force") != "true":
		return nil, apierror.BadRequest("Database instance %s has child instances (%s): set force to delete it", name, strings.Join(children, ", "))
	}
	h.background("instance was not deleted cleanly", name, h.ws.Purge(i.Project.Branches...))
	return struct{}{}, nil
}
