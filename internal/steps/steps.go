// Package steps lets the doctor take the steps of a connection one at a time, with
// the code that connections use, without additions to the root package's API.
package steps

import (
	"context"
	"crypto/tls"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/resolver"
	"github.com/lakebase-go/lakebase/internal/tokencache"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Of returns the steps of a *lakebase.Connector. The root package sets it.
var Of func(connector any) *Steps

// Steps are what a login consists of. All errors are *lakebase.Error.
type Steps struct {
	// User and Database are what a login asks for; User is empty where the
	// workspace identity is meant. Password is that of a static URL.
	User, Database, Password string
	// Workspace is nil where a static URL is in force; the functions that
	// need it are nil then too.
	Workspace *workspace.Client
	// Explain turns an error of a call to the workspace about resource into
	// what the library would return.
	Explain func(err error, resource string) error
	// Find asks the workspace for the target. What it found is returned
	// together with the error that explains why it cannot be used.
	Find func(ctx context.Context) (Target, error)
	// Use makes later steps go to t as user, in place of a lookup of their own.
	Use func(t Target, user string)
	// Mint gets a token, which later logins use.
	Mint func(ctx context.Context) (tokencache.Credential, error)

	// Servers are where a login may go: those of a static URL, or the one at
	// the host given.
	Servers func(host string) []Server
	// Resolvers are asked for a host's address, in this order.
	Resolvers []resolver.Upstream
	// Refused turns a failed attempt to reach or log in to a server into what
	// the library would return.
	Refused func(err error, host, user, database string) error
	// Login makes one attempt, at another database than Database if one is
	// given. It reports the outcome to the token cache.
	Login func(ctx context.Context, database string) (*pgx.Conn, error)
}

// Target is a found instance or endpoint.
type Target struct {
	Instance string // exactly one of Instance and Endpoint is set
	Endpoint string
	Named    string // host that the workspace names; empty if none
	Host     string // host to dial: Named, unless the configuration has another
	State    workspace.State
	RawState string // as the service words it, or "disabled"
	ReadOnly bool
	Database string // name in Postgres, where the configuration may have its id; else empty
}

// Name returns the instance's name or the endpoint's path.
func (t Target) Name() string {
	if t.Endpoint != "" {
		return t.Endpoint
	}
	return t.Instance
}

// Server is one that a login tries.
type Server struct {
	Host      string
	Port      uint16
	TLS       *tls.Config // nil for no TLS
	Plaintext bool        // the next attempt goes without TLS if this one's is refused
}
