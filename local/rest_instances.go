package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

const instancesPath = "/api/2.0/database/instances"

var instanceCapacities = []string{"CU_1", "CU_2", "CU_4", "CU_8"}

// instanceJSON is an instance on the wire. What is effective is always
// there, even if false.
type instanceJSON struct {
	Name                   string        `json:"name,omitempty"`
	UID                    string        `json:"uid"`
	Creator                string        `json:"creator"`
	CreationTime           string        `json:"creation_time"`
	State                  string        `json:"state"`
	PGVersion              string        `json:"pg_version"`
	ReadWriteDNS           string        `json:"read_write_dns,omitempty"`
	ReadOnlyDNS            string        `json:"read_only_dns,omitempty"`
	Capacity               string        `json:"capacity,omitempty"`
	EffectiveCapacity      string        `json:"effective_capacity"`
	NodeCount              int           `json:"node_count,omitempty"`
	EffectiveNodeCount     int           `json:"effective_node_count"`
	Readable               *bool         `json:"enable_readable_secondaries,omitempty"`
	EffectiveReadable      bool          `json:"effective_enable_readable_secondaries"`
	NativeLogin            *bool         `json:"enable_pg_native_login,omitempty"`
	EffectiveNativeLogin   bool          `json:"effective_enable_pg_native_login"`
	Stopped                *bool         `json:"stopped,omitempty"`
	EffectiveStopped       bool          `json:"effective_stopped"`
	Retention              int           `json:"retention_window_in_days,omitempty"`
	EffectiveRetention     int           `json:"effective_retention_window_in_days"`
	UsagePolicyID          string        `json:"usage_policy_id,omitempty"`
	EffectiveUsagePolicyID string        `json:"effective_usage_policy_id,omitempty"`
	CustomTags             []customTag   `json:"custom_tags,omitempty"`
	EffectiveCustomTags    []customTag   `json:"effective_custom_tags,omitempty"`
	ParentInstanceRef      *instanceRef  `json:"parent_instance_ref,omitempty"`
	ChildInstanceRefs      []instanceRef `json:"child_instance_refs,omitempty"`
}

func (a *restAPI) instanceRoutes() {
	a.resource("GET "+instancesPath, a.listInstances)
	a.resource("POST "+instancesPath, a.createInstance)
	a.resource("GET "+instancesPath+":findByUid", a.findInstance)
	a.resource("GET "+instancesPath+"/{name}", a.getInstance)
	a.resource("PATCH "+instancesPath+"/{name}", a.updateInstance)
	a.resource("DELETE "+instancesPath+"/{name}", a.deleteInstance)
	a.resource("POST /api/2.0/database/credentials", a.instanceCredential)
	for _, path := range []string{
		instancesPath + "/{name}/catalogs", instancesPath + "/{name}/synced_tables",
		"/api/2.0/database/catalogs", "/api/2.0/database/catalogs/{name}",
		"/api/2.0/database/tables", "/api/2.0/database/tables/{name}",
		"/api/2.0/database/synced_tables", "/api/2.0/database/synced_tables/{name}",
	} {
		a.resource(path, func(*call) (any, error) { return nil, errNotImplemented("catalogs and synced tables") })
	}
}

// render is the instance as the API has it. The caller holds mu.
func (w *workspace) renderInstance(i *instance, f APIFault) instanceJSON {
	e := i.endpoint()
	j := instanceJSON{
		Name: i.Name, UID: i.UID, Creator: i.Creator, CreationTime: i.Created.Format(time.RFC3339),
		State: w.instanceState(i), PGVersion: fmt.Sprintf("PG_VERSION_%d", w.major()),
		Capacity: i.Capacity, EffectiveCapacity: i.Capacity,
		NodeCount: i.Nodes, EffectiveNodeCount: i.Nodes,
		EffectiveReadable: e.Group.Readable, EffectiveNativeLogin: i.NativeLogin, EffectiveStopped: e.Disabled,
		Retention: i.Retention, EffectiveRetention: i.Retention,
		UsagePolicyID: i.UsagePolicy, EffectiveUsagePolicyID: i.UsagePolicy,
		CustomTags: i.Tags, EffectiveCustomTags: i.Tags, ParentInstanceRef: i.Parent,
	}
	j.Readable, j.NativeLogin, j.Stopped = &i.Readable, &i.NativeLogin, &j.EffectiveStopped
	// A host is named once there is something behind it.
	if i.Branch.Ready {
		j.ReadWriteDNS, _, _ = w.hosts.address(e, doorMain)
		j.ReadOnlyDNS, _, _ = w.hosts.address(e, doorReadOnly)
	}
	for _, child := range w.state.Instances {
		if child.Parent != nil && child.Parent.UID == i.UID {
			j.ChildInstanceRefs = append(j.ChildInstanceRefs, instanceRef{Name: child.Name, UID: child.UID})
		}
	}
	if f.OmitName {
		j.Name = ""
	}
	return j
}

func (w *workspace) instanceState(i *instance) string {
	e := i.endpoint()
	switch {
	case e.changing == deleting:
		return "DELETING"
	case !i.Branch.Ready, e.changing == starting:
		return "STARTING"
	case e.changing == failingOver:
		return "FAILING_OVER"
	case e.Disabled:
		return "STOPPED"
	}
	return "AVAILABLE"
}

func (a *restAPI) listInstances(c *call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	part, next, err := page(c, a.ws.state.Instances)
	if err != nil {
		return nil, err
	}
	reply := struct {
		Instances []instanceJSON `json:"database_instances,omitempty"`
		Next      string         `json:"next_page_token,omitempty"`
	}{Next: next}
	for _, i := range part {
		reply.Instances = append(reply.Instances, a.ws.renderInstance(i, c.fault))
	}
	return reply, nil
}

func (a *restAPI) getInstance(c *call) (any, error) {
	return a.ws.showInstance(c, func(i *instance) bool { return i.Name == c.PathValue("name") }, c.PathValue("name"))
}

func (a *restAPI) findInstance(c *call) (any, error) {
	uid := c.URL.Query().Get("uid")
	if uid == "" {
		return nil, errRequired("uid")
	}
	return a.ws.showInstance(c, func(i *instance) bool { return i.UID == uid }, uid)
}

func (w *workspace) showInstance(c *call, match func(*instance) bool, called string) (any, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := find(w.state.Instances, match)
	if i == nil {
		return nil, errMissingInstance(called)
	}
	return w.renderInstance(i, c.fault), nil
}

func (a *restAPI) createInstance(c *call) (any, error) {
	var in instanceJSON
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.Name == "" {
		return nil, errRequired("name")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	i, source, err := a.ws.addInstance(instanceSpec{
		Name: in.Name, Capacity: in.Capacity, Nodes: in.NodeCount, Readable: isTrue(in.Readable),
		NativeLogin: isTrue(in.NativeLogin), Retention: in.Retention, UsagePolicy: in.UsagePolicyID,
		Tags: in.CustomTags, Parent: in.ParentInstanceRef,
	}, c.caller.Name)
	if err != nil {
		return nil, err
	}
	stopped := isTrue(in.Stopped)
	a.ws.background(func(ctx context.Context) {
		err := a.ws.provision(ctx, i.Branch, source, c.caller.Name)
		if err == nil && stopped {
			err = a.ws.stop(ctx, i.endpoint())
		}
		if err != nil {
			a.log.Error("instance was not created", "instance", i.Name, "error", err)
		}
	})
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	return a.ws.renderInstance(i, c.fault), nil
}

// check refuses values that the service does not know.
func (in *instanceJSON) check() error {
	switch {
	case in.Capacity != "" && !slices.Contains(instanceCapacities, in.Capacity):
		return errInvalid("capacity must be one of %s, got '%s'.", strings.Join(instanceCapacities, ", "), in.Capacity)
	case in.NodeCount < 0 || in.NodeCount > 3:
		return errInvalid("node_count must be between 1 and 3, got %d.", in.NodeCount)
	case in.Retention != 0 && (in.Retention < 2 || in.Retention > 35):
		return errInvalid("retention_window_in_days must be between 2 and 35, got %d.", in.Retention)
	}
	return nil
}

var instanceMask = []string{
	"capacity", "node_count", "enable_readable_secondaries", "enable_pg_native_login", "stopped",
	"retention_window_in_days", "usage_policy_id", "custom_tags",
}

func (a *restAPI) updateInstance(c *call) (any, error) {
	var in instanceJSON
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	mask, err := updateMask(c, instanceMask)
	if err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	w := a.ws
	w.mu.Lock()
	i := w.state.instance(c.PathValue("name"))
	if i == nil {
		w.mu.Unlock()
		return nil, errMissingInstance(c.PathValue("name"))
	}
	i.apply(&in, mask)
	e, group := i.endpoint(), i.group()
	stopped := e.Disabled
	w.mu.Unlock()

	if err := w.regroup(e, group); err != nil {
		return nil, err
	}
	if mask.has("stopped") && in.Stopped != nil && *in.Stopped != stopped {
		if err := a.setStopped(c, e, *in.Stopped); err != nil {
			return nil, err
		}
	}
	if err := w.save(); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.renderInstance(i, c.fault), nil
}

// apply takes over the fields that mask names.
func (i *instance) apply(in *instanceJSON, mask fieldMask) {
	if mask.has("capacity") {
		i.Capacity = cmp.Or(in.Capacity, i.Capacity)
	}
	if mask.has("node_count") && in.NodeCount > 0 {
		i.Nodes = in.NodeCount
	}
	if mask.has("enable_readable_secondaries") && in.Readable != nil {
		i.Readable = *in.Readable
	}
	if mask.has("enable_pg_native_login") && in.NativeLogin != nil {
		i.NativeLogin = *in.NativeLogin
	}
	if mask.has("retention_window_in_days") && in.Retention > 0 {
		i.Retention = in.Retention
	}
	if mask.has("usage_policy_id") && in.UsagePolicyID != "" {
		i.UsagePolicy = in.UsagePolicyID
	}
	if mask.has("custom_tags") && in.CustomTags != nil {
		i.Tags = in.CustomTags
	}
}

// setStopped stops at once; starting goes on after the reply, which says
// STARTING.
func (a *restAPI) setStopped(c *call, e *endpoint, stopped bool) error {
	if stopped {
		return a.ws.stop(context.WithoutCancel(c.Context()), e)
	}
	if a.ws.external() {
		return errUnavailable("stop and start are")
	}
	a.ws.mu.Lock()
	e.Disabled, e.changing = false, starting
	a.ws.mu.Unlock()
	a.ws.background(func(ctx context.Context) {
		if err := a.ws.start(ctx, e); err != nil {
			a.log.Error("instance does not start", "instance", e.title(), "error", err)
		}
	})
	return nil
}

func (a *restAPI) deleteInstance(c *call) (any, error) {
	name := c.PathValue("name")
	a.ws.mu.Lock()
	i := a.ws.state.instance(name)
	var children []string
	for _, other := range a.ws.state.Instances {
		if i != nil && other.Parent != nil && other.Parent.UID == i.UID {
			children = append(children, other.Name)
		}
	}
	ready := i != nil && i.Branch.Ready
	a.ws.mu.Unlock()
	switch {
	case i == nil:
		return nil, errMissingInstance(name)
	case !ready:
		return nil, errBadRequest("Database instance %s is still being created", name)
	case len(children) > 0 && c.URL.Query().Get("force") != "true":
		return nil, errBadRequest("Database instance %s has child instances (%s): set force to delete it", name, strings.Join(children, ", "))
	}
	job := a.ws.deleteBranch(i.Branch)
	a.ws.background(func(ctx context.Context) {
		if err := job(ctx); err != nil {
			a.log.Error("instance was not deleted cleanly", "instance", name, "error", err)
		}
	})
	return struct{}{}, nil
}

func isTrue(b *bool) bool { return b != nil && *b }
