package workspace

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
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
	Name             string `json:"name"`
	RawState         string `json:"state"` // the service's own word
	ReadWriteDNS     string `json:"read_write_dns"`
	ReadOnlyDNS      string `json:"read_only_dns"`
	Stopped          bool   `json:"stopped"`
	EffectiveStopped bool   `json:"effective_stopped"`
}

// State says whether the instance can be connected to.
func (i Instance) State() State {
	if i.RawState == "" && (i.Stopped || i.EffectiveStopped) {
		return Stopped
	}
	return stateOf(i.RawState)
}

// Named is a project or branch.
type Named struct {
	Name   string `json:"name"` // projects/p or projects/p/branches/b
	Status struct {
		Default bool   `json:"default"`       // of a branch
		State   string `json:"current_state"` // of a branch, in the service's own word
	} `json:"status"`
}

// Endpoint is an Autoscaling endpoint.
type Endpoint struct {
	Name   string         `json:"name"` // projects/p/branches/b/endpoints/e
	Spec   EndpointStatus `json:"spec"`
	Status EndpointStatus `json:"status"`
}

// EndpointStatus is what an endpoint is, or in its spec what it is to be.
type EndpointStatus struct {
	Type     string `json:"endpoint_type"`
	State    string `json:"current_state"` // the service's own word
	Disabled bool   `json:"disabled"`
	Hosts    struct {
		Host           string `json:"host"`
		ReadOnly       string `json:"read_only_host"`
		Pooled         string `json:"read_write_pooled_host"` // of the service's pooler
		ReadOnlyPooled string `json:"read_only_pooled_host"`
	} `json:"hosts"` // empty if the endpoint has none of the kind
}

// ReadOnly reports whether the endpoint itself only reads.
func (e Endpoint) ReadOnly() bool {
	return cmp.Or(e.Status.Type, e.Spec.Type) == "ENDPOINT_TYPE_READ_ONLY"
}

// State says whether the endpoint can be connected to. Connecting does not wake
// one that is disabled.
func (e Endpoint) State() State {
	state := stateOf(e.Status.State)
	if e.Status.Disabled && state != Deleting {
		return Stopped
	}
	return state
}

// DirectHost returns the host that reaches the same database as a host of the
// service's own pooler, and whether host is one: the first label of those ends in
// -pooler. Other hosts are returned as they are.
func DirectHost(host string) (direct string, pooled bool) {
	label, domain, _ := strings.Cut(host, ".")
	if label, pooled = strings.CutSuffix(label, "-pooler"); !pooled || domain == "" {
		return host, false
	}
	return label + "." + domain, true
}

// Instance returns the Provisioned instance of that name.
func (c *Client) Instance(ctx context.Context, name string) (*Instance, error) {
	path, err := join(instancesPath, name)
	if err != nil {
		return nil, err
	}
	var i Instance
	if _, err := c.get(ctx, path, nil, &i); err != nil {
		return nil, err
	}
	i.Name = cmp.Or(i.Name, name) // the service may leave it out
	return &i, nil
}

// Endpoint returns the endpoint at projects/p/branches/b/endpoints/e.
func (c *Client) Endpoint(ctx context.Context, path string) (*Endpoint, error) {
	escaped, err := endpointPath(path)
	if err != nil {
		return nil, err
	}
	var e Endpoint
	if _, err := c.get(ctx, escaped, nil, &e); err != nil {
		return nil, err
	}
	e.Name = cmp.Or(e.Name, path)
	return &e, nil
}

// DatabaseName returns the name in Postgres of the database with that id, on the
// branch that an endpoint belongs to.
func (c *Client) DatabaseName(ctx context.Context, endpoint, id string) (string, error) {
	branch, _, _ := strings.Cut(endpoint, "/endpoints/")
	path, err := resourcePath(branch+"/databases/"+id, "projects", "branches", "databases")
	if err != nil {
		return "", err
	}
	var database struct {
		Status struct {
			Name string `json:"postgres_database"`
		} `json:"status"`
	}
	_, err = c.get(ctx, path, nil, &database)
	return database.Status.Name, err
}

// Instances lists the Provisioned instances that the caller can see.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	return list[Instance](ctx, c, instancesPath, "database_instances")
}

// Projects lists the projects that the caller can see.
func (c *Client) Projects(ctx context.Context) ([]Named, error) {
	return list[Named](ctx, c, postgresPath+"/projects", "projects")
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
	return list[Named](ctx, c, path+"/branches", "branches")
}

// Endpoints lists the endpoints of a branch, given as projects/p/branches/b.
func (c *Client) Endpoints(ctx context.Context, branch string) ([]Endpoint, error) {
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	return list[Endpoint](ctx, c, path+"/endpoints", "endpoints")
}

// Role is a Postgres role as the workspace lists it.
type Role struct {
	Name     string // in Postgres
	Identity string // USER, SERVICE_PRINCIPAL or GROUP; something else for a native role
}

// InstanceRoles lists the roles of a Provisioned instance.
func (c *Client) InstanceRoles(ctx context.Context, instance string) (roles []Role, err error) {
	path, err := join(instancesPath, instance)
	if err != nil {
		return nil, err
	}
	all, err := list[struct {
		Name     string `json:"name"`
		Identity string `json:"identity_type"`
	}](ctx, c, path+"/roles", "database_instance_roles")
	for _, r := range all {
		roles = append(roles, Role(r))
	}
	return roles, err
}

// BranchRoles lists the roles of the branch that an endpoint belongs to.
func (c *Client) BranchRoles(ctx context.Context, endpoint string) (roles []Role, err error) {
	branch, _, _ := strings.Cut(endpoint, "/endpoints/")
	path, err := resourcePath(branch, "projects", "branches")
	if err != nil {
		return nil, err
	}
	all, err := list[struct {
		Status struct {
			Name     string `json:"postgres_role"`
			Identity string `json:"identity_type"`
		} `json:"status"`
	}](ctx, c, path+"/roles", "roles")
	for _, r := range all {
		roles = append(roles, Role(r.Status))
	}
	return roles, err
}

// Identity is the caller's, as the workspace knows it.
type Identity struct {
	Name   string   // an email address, or a service principal's application id
	Groups []string // by name; may be incomplete
}

// Identity returns the caller's identity.
func (c *Client) Identity(ctx context.Context) (id Identity, err error) {
	var me struct {
		UserName string `json:"userName"`
		Groups   []struct {
			Display string `json:"display"`
		} `json:"groups"`
	}
	// The entitlements are of no use here, and make the reply large and slow where
	// an identity has many.
	rep, err := c.get(ctx, "/api/2.0/preview/scim/v2/Me", url.Values{"excludedAttributes": {"entitlements"}}, &me)
	if err != nil {
		return id, err
	}
	if me.UserName == "" {
		return id, rep.malformed("it names no user")
	}
	id.Name = me.UserName
	for _, g := range me.Groups {
		id.Groups = append(id.Groups, g.Display)
	}
	return id, nil
}

const (
	instancesPath = "/api/2.0/database/instances"
	postgresPath  = "/api/2.0/postgres"
)

// join appends a name to a path, escaped, as one segment. It refuses names that
// would not reach the service unchanged.
func join(path, name string) (string, error) {
	if err := checkName(http.MethodGet+" "+path, name); err != nil {
		return "", err
	}
	return path + "/" + url.PathEscape(name), nil
}

func checkName(op, name string) error {
	switch {
	case name == "":
		return invalid(op, "a name is missing")
	case name == "." || name == "..":
		return invalid(op, "%q is not a name", name)
	case len(name) > 255:
		return invalid(op, "a name of %d characters is too long", len(name))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid(op, "%q has control characters", name)
	}
	return nil
}

func endpointPath(name string) (string, error) {
	return resourcePath(name, "projects", "branches", "endpoints")
}

// resourcePath returns the escaped path of a resource name that must consist
// of the given collections, each followed by an id.
func resourcePath(name string, collections ...string) (path string, err error) {
	path = postgresPath
	parts := strings.Split(name, "/")
	for i, collection := range collections {
		if len(parts) != 2*len(collections) || parts[2*i] != collection {
			return "", invalid("GET "+postgresPath, "%q is not a resource name of the form %s/*", name, strings.Join(collections, "/*/"))
		}
		if path, err = join(path+"/"+collection, parts[2*i+1]); err != nil {
			return "", err
		}
	}
	return path, nil
}

// NativeLogin returns whether an instance, or the project of an endpoint, lets roles
// log in with a password of their own; known is false if the workspace does not say.
func (c *Client) NativeLogin(ctx context.Context, instance, endpoint string) (on, known bool, err error) {
	path, err := join(instancesPath, instance)
	if endpoint != "" {
		project, _, _ := strings.Cut(endpoint, "/branches/")
		path, err = resourcePath(project, "projects")
	}
	if err != nil {
		return false, false, err
	}
	type fields struct {
		Set       *bool `json:"enable_pg_native_login"`
		Effective *bool `json:"effective_enable_pg_native_login"`
	}
	var reply struct {
		fields
		Status fields `json:"status"`
		Spec   fields `json:"spec"`
	}
	_, err = c.get(ctx, path, nil, &reply)
	value := cmp.Or(reply.Effective, reply.Status.Effective, reply.Set, reply.Status.Set, reply.Spec.Set)
	return value != nil && *value, value != nil, err
}
