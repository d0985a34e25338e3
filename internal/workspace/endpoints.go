package workspace

import (
	"cmp"
	"context"
	"strings"
)

// Endpoint is an Autoscaling endpoint.
type Endpoint struct {
	Name     string // projects/p/branches/b/endpoints/e
	ReadOnly bool
	State    State
	RawState string // the service's own word
	Disabled bool   // and therefore Stopped
	// Host and ReadOnlyHost are empty if the endpoint has none of the kind.
	Host, ReadOnlyHost string
}

// Named is a project or branch.
type Named struct {
	Name    string // projects/p or projects/p/branches/b
	Default bool   // of a branch
	State   string // of a branch, in the service's own word
}

type namedJSON struct {
	Name   string `json:"name"`
	Status struct {
		Default bool   `json:"default"`
		State   string `json:"current_state"`
	} `json:"status"`
}

func (j *namedJSON) named() Named {
	return Named{Name: j.Name, Default: j.Status.Default, State: j.Status.State}
}

type endpointJSON struct {
	Name   string             `json:"name"`
	Spec   endpointStatusJSON `json:"spec"`
	Status endpointStatusJSON `json:"status"`
}

type endpointStatusJSON struct {
	Type     string `json:"endpoint_type"`
	State    string `json:"current_state"`
	Disabled bool   `json:"disabled"`
	Hosts    struct {
		Host     string `json:"host"`
		ReadOnly string `json:"read_only_host"`
	} `json:"hosts"`
}

func (j *endpointJSON) endpoint() Endpoint {
	e := Endpoint{
		Name:         j.Name,
		ReadOnly:     cmp.Or(j.Status.Type, j.Spec.Type) == "ENDPOINT_TYPE_READ_ONLY",
		State:        stateOf(j.Status.State),
		RawState:     j.Status.State,
		Host:         j.Status.Hosts.Host,
		ReadOnlyHost: j.Status.Hosts.ReadOnly,
	}
	if j.Status.Disabled && e.State != Deleting {
		e.State, e.Disabled = Stopped, true // connecting does not wake it
	}
	return e
}

// Projects lists the projects that the caller can see.
func (c *Client) Projects(ctx context.Context) ([]Named, error) {
	return c.named(ctx, postgresPath+"/projects", "projects")
}

// Branches lists the branches of a project, given as projects/p or p.
func (c *Client) Branches(ctx context.Context, project string) ([]Named, error) {
	if !strings.Contains(project, "/") {
		project = "projects/" + project
	}
	path, err := resourcePath(project, "projects")
	if err != nil {
		return nil, err
	}
	return c.named(ctx, path+"/branches", "branches")
}

func (c *Client) named(ctx context.Context, path, field string) ([]Named, error) {
	return list(ctx, c, path, field, (*namedJSON).named)
}

// Endpoints lists the endpoints of a branch, given as projects/p/branches/b.
func (c *Client) Endpoints(ctx context.Context, branch string) ([]Endpoint, error) {
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	return list(ctx, c, path+"/endpoints", "endpoints", (*endpointJSON).endpoint)
}

// Endpoint returns the endpoint at projects/p/branches/b/endpoints/e.
func (c *Client) Endpoint(ctx context.Context, path string) (*Endpoint, error) {
	escaped, err := endpointPath(path)
	if err != nil {
		return nil, err
	}
	var j endpointJSON
	if _, err := c.get(ctx, escaped, nil, &j); err != nil {
		return nil, err
	}
	e := j.endpoint()
	e.Name = cmp.Or(e.Name, path)
	return &e, nil
}
