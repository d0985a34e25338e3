package workspace

import (
	"cmp"
	"context"
)

// State says whether a connection is possible.
type State string

// The states, which both products' own are mapped to. An unknown one counts as
// Available: an attempt to connect will show.
const (
	Available   State = "available" // AVAILABLE, UPDATING, ACTIVE, IDLE, DEGRADED
	Starting    State = "starting"  // STARTING, INIT
	Stopped     State = "stopped"   // STOPPED, disabled
	FailingOver State = "failing over"
	Deleting    State = "deleting"
)

func stateOf(raw string) State {
	switch raw {
	case "STARTING", "INIT":
		return Starting
	case "STOPPED":
		return Stopped
	case "FAILING_OVER":
		return FailingOver
	case "DELETING", "DELETED":
		return Deleting
	}
	return Available
}

// Instance is a Provisioned instance.
type Instance struct {
	Name         string
	State        State
	RawState     string // the service's own word
	ReadWriteDNS string
	ReadOnlyDNS  string
}

// instanceJSON is an instance as the service sends it.
type instanceJSON struct {
	Name             string `json:"name"`
	State            string `json:"state"`
	ReadWriteDNS     string `json:"read_write_dns"`
	ReadOnlyDNS      string `json:"read_only_dns"`
	Stopped          bool   `json:"stopped"`
	EffectiveStopped bool   `json:"effective_stopped"`
}

func (j *instanceJSON) instance() Instance {
	state := stateOf(j.State)
	if j.State == "" && (j.Stopped || j.EffectiveStopped) {
		state = Stopped
	}
	return Instance{
		Name:         j.Name,
		State:        state,
		RawState:     j.State,
		ReadWriteDNS: j.ReadWriteDNS,
		ReadOnlyDNS:  j.ReadOnlyDNS,
	}
}

// Instance returns the Provisioned instance of that name.
func (c *Client) Instance(ctx context.Context, name string) (*Instance, error) {
	path, err := join(instancesPath, name)
	if err != nil {
		return nil, err
	}
	var j instanceJSON
	if _, err := c.get(ctx, path, nil, &j); err != nil {
		return nil, err
	}
	i := j.instance()
	i.Name = cmp.Or(i.Name, name) // the service may leave it out
	return &i, nil
}

// Instances lists the Provisioned instances that the caller can see.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	return list(ctx, c, instancesPath, "database_instances", (*instanceJSON).instance)
}
