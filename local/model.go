package local

import (
	"regexp"
	"slices"
	"sync"
	"time"
)

// Defaults that the service gives to what is created without saying more.
const (
	defaultBranch    = "production"
	defaultEndpoint  = "primary"
	defaultRetention = 7 * 24 * time.Hour
	defaultSuspend   = 24 * time.Hour
	branchSizeLimit  = 8 << 40 // bytes
)

// idPattern is the service's own rule for the ids of what it makes.
var idPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Identity kinds, as both APIs spell them.
const (
	identityUser             = "USER"
	identityServicePrincipal = "SERVICE_PRINCIPAL"
	identityGroup            = "GROUP"
)

// principal is somebody the workspace knows: a user, a service principal or
// a group. Its name is also the name of its Postgres role.
type principal struct {
	ID      string   `json:"id"` // SCIM id
	Kind    string   `json:"kind"`
	Name    string   `json:"name"` // email, application id or group name
	Display string   `json:"display"`
	Secret  string   `json:"secret,omitempty"`  // a user's access token, a service principal's OAuth secret
	Members []string `json:"members,omitempty"` // of a group: names
	// Outsider may log in to the workspace and use nothing in it.
	Outsider bool `json:"outsider,omitempty"`
}

// instance is a Provisioned database instance. Its one branch holds the
// data, so that an upgrade only has to put that branch under a project.
type instance struct {
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
	Tags        []customTag  `json:"tags,omitempty"`
	Parent      *instanceRef `json:"parent,omitempty"`
	Branch      *branch      `json:"branch"`
}

func (i *instance) endpoint() *endpoint { return i.Branch.Endpoints[0] }

// instanceRef names the instance that another was branched from.
type instanceRef struct {
	Name         string `json:"name,omitempty"`
	UID          string `json:"uid,omitempty"`
	LSN          string `json:"lsn,omitempty"`
	EffectiveLSN string `json:"effective_lsn,omitempty"`
	BranchTime   string `json:"branch_time,omitempty"`
}

type customTag struct {
	Key   string `json:"key,omitempty"`
	Value string `json:"value,omitempty"`
}

// project is an Autoscaling project.
type project struct {
	ID          string            `json:"id"`
	UID         string            `json:"uid"`
	Display     string            `json:"display"`
	Owner       string            `json:"owner"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	NativeLogin bool              `json:"native_login"`
	Budget      string            `json:"budget,omitempty"`
	Retention   time.Duration     `json:"retention"`
	Tags        []customTag       `json:"tags,omitempty"`
	Defaults    endpointSettings  `json:"defaults"`
	Branches    []*branch         `json:"branches"`
	PGSettings  map[string]string `json:"pg_settings,omitempty"`
}

func (p *project) name() string { return "projects/" + p.ID }

func (p *project) branch(id string) *branch {
	return find(p.Branches, func(b *branch) bool { return b.ID == id })
}

func (p *project) defaultBranch() *branch {
	return find(p.Branches, func(b *branch) bool { return b.Default })
}

// endpointSettings are what a compute may use and when it falls asleep.
type endpointSettings struct {
	MinCU     float64       `json:"min_cu"`
	MaxCU     float64       `json:"max_cu"`
	Suspend   time.Duration `json:"suspend,omitempty"` // zero: as the server was told
	NoSuspend bool          `json:"no_suspend,omitempty"`
}

// branch is one copy of the data: one PostgreSQL cluster.
type branch struct {
	ID        string    `json:"id"`
	UID       string    `json:"uid"`
	Created   time.Time `json:"created"`
	Updated   time.Time `json:"updated"`
	Default   bool      `json:"default,omitempty"`
	Root      bool      `json:"root,omitempty"` // came with its project
	Protected bool      `json:"protected,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`

	Source     string    `json:"source,omitempty"` // path of the branch it is a copy of
	SourceTime time.Time `json:"source_time,omitzero"`

	// Cluster is its data directory's name. Ready is set once that holds a
	// database that clients may use; what is not ready at a start is swept.
	Cluster string `json:"cluster"`
	Ready   bool   `json:"ready"`

	Endpoints []*endpoint `json:"endpoints"`
	// Roles and Databases tie the ids that the Autoscaling API uses to names
	// in Postgres, which stays the authority on what exists.
	Roles     records `json:"roles,omitempty"`
	Databases records `json:"databases,omitempty"`

	project  *project  // one of the two
	instance *instance // is set
	compute  *compute
	// lifecycle is held while the cluster is started, stopped or copied on
	// request, so that such requests follow one another. What a branch
	// belongs to and which standbys it has changes only under both this and
	// the workspace's lock.
	lifecycle sync.Mutex
}

func (b *branch) name() string { return b.project.name() + "/branches/" + b.ID }

func (b *branch) endpoint(id string) *endpoint {
	return find(b.Endpoints, func(e *endpoint) bool { return e.ID == id })
}

// primary is the branch's one read-write endpoint.
func (b *branch) primary() *endpoint {
	return find(b.Endpoints, func(e *endpoint) bool { return !e.ReadOnly })
}

// nativeLogin reports whether roles with a password of their own may log in.
func (b *branch) nativeLogin() bool {
	if b.instance != nil {
		return b.instance.NativeLogin
	}
	return b.project.NativeLogin
}

// endpoint is something to connect to: an Autoscaling endpoint, or the one
// that a Provisioned instance has.
type endpoint struct {
	Key      string            `json:"key"` // never changes
	ID       string            `json:"id"`
	UID      string            `json:"uid"`
	ReadOnly bool              `json:"read_only,omitempty"`
	Created  time.Time         `json:"created"`
	Updated  time.Time         `json:"updated"`
	Disabled bool              `json:"disabled,omitempty"` // stopped on purpose
	Settings endpointSettings  `json:"settings"`
	Group    endpointGroup     `json:"group"`
	Postgres map[string]string `json:"pg_settings,omitempty"`
	// Standby is the data directory of its read-only compute, if it has one.
	Standby string `json:"standby,omitempty"`
	// Names are what its host names are made of.
	Names endpointNames `json:"names"`

	branch   *branch
	standby  *compute
	doors    []*door
	changing transition
}

// endpointGroup is an endpoint's high-availability configuration.
type endpointGroup struct {
	Min      int  `json:"min"`
	Max      int  `json:"max"`
	Readable bool `json:"readable,omitempty"`
}

// transition is what an endpoint is in the middle of.
type transition int

const (
	settled transition = iota
	starting
	failingOver
	deleting
)

func (e *endpoint) name() string { return e.branch.name() + "/endpoints/" + e.ID }

// provisioned reports whether the endpoint belongs to a database instance.
func (e *endpoint) provisioned() bool { return e.branch.instance != nil }

// title is what people call it: the instance's name, or the endpoint's path.
func (e *endpoint) title() string {
	if e.provisioned() {
		return e.branch.instance.Name
	}
	return e.name()
}

// compute is what runs the endpoint's own queries.
func (e *endpoint) compute() *compute {
	if e.ReadOnly {
		return e.standby
	}
	return e.branch.compute
}

// wantsStandby reports whether anything of it is served read-only.
func (e *endpoint) wantsStandby() bool { return e.ReadOnly || e.Group.Readable }

// audience is what a token for the endpoint may name. The key is the uid it
// began with: a token outlives the upgrade of its instance.
func (e *endpoint) audience() []string { return []string{e.UID, e.Key} }

func find[T any](list []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i]
	}
	return nil
}
