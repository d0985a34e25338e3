package model

import "time"

// Instance is a Provisioned database instance. Its one branch has the data, so
// that an upgrade only moves that branch to a project.
type Instance struct {
	Name        string       `json:"name"`
	UID         string       `json:"uid"`
	Creator     string       `json:"creator"`
	Created     time.Time    `json:"created"`
	Capacity    string       `json:"capacity"`
	Nodes       int          `json:"nodes"`
	Readable    bool         `json:"readable,omitempty"` // readable secondaries
	NativeLogin bool         `json:"native_login,omitempty"`
	Retention   int          `json:"retention_days"`
	UsagePolicy string       `json:"usage_policy,omitempty"`
	Tags        []Tag        `json:"tags,omitempty"`
	Parent      *InstanceRef `json:"parent,omitempty"`
	Branch      *Branch      `json:"branch"`
}

// InstanceRef names the instance that another is a copy of.
type InstanceRef struct {
	Name         string `json:"name,omitempty"`
	UID          string `json:"uid,omitempty"`
	LSN          string `json:"lsn,omitempty"`
	EffectiveLSN string `json:"effective_lsn,omitempty"`
	BranchTime   string `json:"branch_time,omitempty"`
}

// Tag is a custom tag.
type Tag struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// Endpoint is the instance's one endpoint.
func (i *Instance) Endpoint() *Endpoint { return i.Branch.Endpoints[0] }

// Availability is the instance's configuration as its endpoint's. A readable
// secondary needs a second node.
func (i *Instance) Availability() Availability {
	return Availability{Min: i.Nodes, Max: i.Nodes, Readable: i.Readable && i.Nodes > 1}
}

// Children returns the names and UIDs of the instances that are copies of i.
func (s *State) Children(i *Instance) []InstanceRef {
	var children []InstanceRef
	for _, child := range s.Instances {
		if child.Parent != nil && child.Parent.UID == i.UID {
			children = append(children, InstanceRef{Name: child.Name, UID: child.UID})
		}
	}
	return children
}
