// Package workspace calls the Databricks workspace APIs that Lakebase needs:
// who am I, which instances and endpoints exist, and a credential for one.
// Authentication is the official SDK's; time limits, retries and errors are
// this package's own, because the SDK's cannot be cancelled.
package workspace

import (
	"context"
	"log/slog"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

// Client calls one workspace. It is safe for concurrent use. It does no
// retries: callers know better what waits on them.
type Client struct{}

// Options configure a Client.
type Options struct {
	Config *sdkconfig.Config // how to log in; required; owned by the Client from here on
	Logger *slog.Logger      // nil means discard
}

// New returns a Client. It does no I/O.
func New(o Options) *Client { panic("TODO: token helper") }

// Credential is a freshly minted database password.
type Credential struct {
	Token string
	// Lifetime is what was left of the token when the request was sent,
	// computed against the server's Date header where there is one.
	Lifetime time.Duration
	// Skew is the local clock minus the server's, zero where unknown.
	Skew time.Duration
}

// State says whether something can be connected to.
type State string

// States, the union of what both products report, reduced to what matters.
const (
	Available   State = "available" // AVAILABLE, UPDATING, ACTIVE, IDLE, DEGRADED
	Starting    State = "starting"  // STARTING, INIT
	Stopped     State = "stopped"   // STOPPED, disabled
	FailingOver State = "failing over"
	Deleting    State = "deleting"
)

// Instance is a Provisioned instance.
type Instance struct {
	Name, UID    string
	State        State
	RawState     string // as the service words it
	ReadWriteDNS string
	ReadOnlyDNS  string
	PGVersion    string
	NativeLogin  bool
}

// Endpoint is an Autoscaling endpoint.
type Endpoint struct {
	Name                                               string // projects/p/branches/b/endpoints/e
	UID                                                string
	ReadOnly                                           bool
	State                                              State
	RawState                                           string
	Host, ReadOnlyHost, PooledHost, ReadOnlyPooledHost string
}

// Named is a project or branch.
type Named struct {
	Name, UID string
	Default   bool // of a branch
	State     string
}

// Error is a refused or failed call.
type Error struct {
	Op         string        // e.g. "GET /api/2.0/database/instances/x"
	Status     int           // HTTP status; 0 if there was no answer
	Code       string        // error_code
	Message    string        // the service's text, never a secret
	RetryAfter time.Duration // from the header; 0 if absent
	Auth       bool          // failed while logging in to the workspace, before the call itself
	Err        error
}

func (e *Error) Error() string { panic("TODO: token helper") }
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether trying again may help: no answer, 429 or 5xx.
func (e *Error) Temporary() bool { panic("TODO: token helper") }

// Me returns the userName of the caller: an email address, or a service
// principal's application id.
func (c *Client) Me(ctx context.Context) (string, error) { panic("TODO: token helper") }

// Host returns the workspace's URL as resolved from the configuration.
func (c *Client) Host(ctx context.Context) (string, error) { panic("TODO: token helper") }

func (c *Client) Instance(ctx context.Context, name string) (*Instance, error)  { panic("TODO") }
func (c *Client) Instances(ctx context.Context) ([]Instance, error)             { panic("TODO") }
func (c *Client) Projects(ctx context.Context) ([]Named, error)                 { panic("TODO") }
func (c *Client) Branches(ctx context.Context, project string) ([]Named, error) { panic("TODO") }
func (c *Client) Endpoints(ctx context.Context, branch string) ([]Endpoint, error) {
	panic("TODO")
}
func (c *Client) Endpoint(ctx context.Context, path string) (*Endpoint, error) { panic("TODO") }

// InstanceCredential mints a password for a Provisioned instance.
func (c *Client) InstanceCredential(ctx context.Context, instance string) (*Credential, error) {
	panic("TODO")
}

// EndpointCredential mints a password for an Autoscaling endpoint. A zero
// ttl leaves the lifetime to the service.
func (c *Client) EndpointCredential(ctx context.Context, endpoint string, ttl time.Duration) (*Credential, error) {
	panic("TODO")
}
