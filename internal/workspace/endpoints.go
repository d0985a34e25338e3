package workspace

import (
	"cmp"
	"context"
	"strings"
)

const postgresPath = "/api/2.0/postgres"

// Endpoint is an Autoscaling endpoint.
type Endpoint struct {
	Name     string // projects/p/branches/b/endpoints/e
	UID      string
	ReadOnly bool
	State    State
	RawState string // as the service words it
	Disabled bool   // and therefore Stopped
	// Hosts; empty where the endpoint has none of the kind.
	Host, ReadOnlyHost, PooledHost, ReadOnlyPooledHost string
}

// Named is a project or branch.
type Named struct {
	Name    string // projects/p or projects/p/branches/b
	UID     string
	Default bool   // of a branch
	State   string // of a branch, as the service words it
}

type endpointJSON struct {
	Name   string             `json:"name"`
	UID    string             `json:"uid"`
	Spec   endpointStatusJSON `json:"spec"`
	Status endpointStatusJSON `json:"status"`
}

type endpointStatusJSON struct {
	Type     string `json:"endpoint_type"`
	State    string `json:"current_state"`
	Disabled bool   `json:"disabled"`
	Hosts    struct {
		Host           string `json:"host"`
		ReadOnly       string `json:"read_only_host"`
		Pooled         string `json:"read_write_pooled_host"`
		ReadOnlyPooled string `json:"read_only_pooled_host"`
	} `json:"hosts"`
}

func (j *endpointJSON) endpoint() Endpoint {
	e := Endpoint{
		Name:               j.Name,
		UID:                j.UID,
		ReadOnly:           cmp.Or(j.Status.Type, j.Spec.Type) == "ENDPOINT_TYPE_READ_ONLY",
		State:              stateOf(j.Status.State),
		RawState:           j.Status.State,
		Host:               j.Status.Hosts.Host,
		ReadOnlyHost:       j.Status.Hosts.ReadOnly,
		PooledHost:         j.Status.Hosts.Pooled,
		ReadOnlyPooledHost: j.Status.Hosts.ReadOnlyPooled,
	}
	if j.Status.Disabled && e.State != Deleting {
		e.State, e.Disabled = Stopped, true // no connection wakes it
	}
	return e
}

// Projects lists the projects that the caller may see.
func (c *Client) Projects(ctx context.Context) ([]Named, error) {
	return c.named(ctx, postgresPath+"/projects")
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
	return c.named(ctx, path+"/branches")
}

func (c *Client) named(ctx context.Context, path string) ([]Named, error) {
	type item struct {
		Name   string `json:"name"`
		UID    string `json:"uid"`
		Status struct {
			Default bool   `json:"default"`
			State   string `json:"current_state"`
		} `json:"status"`
	}
	var all []Named
	err := c.pages(ctx, path, func() (any, func() string) {
		var page struct {
			Projects []item `json:"projects"`
			Branches []item `json:"branches"`
			Next     string `json:"next_page_token"`
		}
		return &page, func() string {
			for _, i := range append(page.Projects, page.Branches...) {
				all = append(all, Named{Name: i.Name, UID: i.UID, Default: i.Status.Default, State: i.Status.State})
			}
			return page.Next
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Endpoints lists the endpoints of a branch, given as projects/p/branches/b.
func (c *Client) Endpoints(ctx context.Context, branch string) ([]Endpoint, error) {
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	var all []Endpoint
	err = c.pages(ctx, path+"/endpoints", func() (any, func() string) {
		var page struct {
			Endpoints []endpointJSON `json:"endpoints"`
			Next      string         `json:"next_page_token"`
		}
		return &page, func() string {
			for i := range page.Endpoints {
				all = append(all, page.Endpoints[i].endpoint())
			}
			return page.Next
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
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

func endpointPath(name string) (string, error) {
	return resourcePath(name, "projects", "branches", "endpoints")
}

// resourcePath returns the escaped path of a resource name that must consist
// of the given collections, each followed by an id.
func resourcePath(name string, collections ...string) (string, error) {
	op := "GET " + postgresPath
	want := strings.Join(collections, "/*/") + "/*"
	parts := strings.Split(name, "/")
	if len(parts) != 2*len(collections) {
		return "", invalid(op, "%q is no resource name of the form %s", name, want)
	}
	path := postgresPath
	for i, collection := range collections {
		if parts[2*i] != collection {
			return "", invalid(op, "%q is no resource name of the form %s", name, want)
		}
		var err error
		if path, err = join(path+"/"+collection, parts[2*i+1]); err != nil {
			return "", err
		}
	}
	return path, nil
}
