package model

// Instance is what the API of Provisioned database instances knows of a project.
// Its name, branch and data are those of the project.
type Instance struct {
	UID      string       `json:"uid"`
	Capacity string       `json:"capacity"`
	Nodes    int          `json:"nodes"`
	Readable bool         `json:"readable,omitempty"` // readable secondaries
	Parent   *InstanceRef `json:"parent,omitempty"`
	// Upgraded instances refuse logins in the words of the Autoscaling product.
	Upgraded bool `json:"upgraded,omitempty"`

	Project *Project `json:"-"`
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

// Endpoint is the instance's endpoint.
func (i *Instance) Endpoint() *Endpoint { return i.Project.RootBranch().Primary() }

// Availability is the instance's configuration as its endpoint's. A readable
// secondary needs a second node.
func (i *Instance) Availability() Availability {
	return Availability{Min: i.Nodes, Max: i.Nodes, Readable: i.Readable && i.Nodes > 1}
}

// Instances returns the instances that are not deleted.
func (s *State) Instances() []*Instance {
	var all []*Instance
	for _, p := range s.Projects {
		if p.Instance != nil && !p.Gone() {
			all = append(all, p.Instance)
		}
	}
	return all
}

// Instance returns the instance with that name, or nil.
func (s *State) Instance(name string) *Instance {
	return find(s.Instances(), func(i *Instance) bool { return i.Project.ID == name })
}

// InstanceWithUID returns the instance with that UID, or nil.
func (s *State) InstanceWithUID(uid string) *Instance {
	return find(s.Instances(), func(i *Instance) bool { return i.UID == uid })
}

// Children returns the names and UIDs of the instances that are copies of i.
func (s *State) Children(i *Instance) []InstanceRef {
	var children []InstanceRef
	for _, child := range s.Instances() {
		if child.Parent != nil && child.Parent.UID == i.UID {
			children = append(children, InstanceRef{Name: child.Project.ID, UID: child.UID})
		}
	}
	return children
}
