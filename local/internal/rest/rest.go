// Package rest is the REST API of a local workspace: database instances,
// projects, credentials, identities, and OAuth for its own tokens.
package rest

import (
	"log/slog"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// Options configure an API. All fields are required.
type Options struct {
	Workspace     *workspace.Workspace
	Tokens        *pki.Issuer
	TokenLifetime time.Duration // of database tokens, unless the request says
	URL           string        // base URL of the API
	Faults        Faults
	Stats         Stats
	Closing       <-chan struct{} // closed when the server closes, which ends hanging calls
	Logger        *slog.Logger
}

// Faults are the faults of the API. Its methods are called concurrently.
type Faults interface {
	// Call returns the fault of a call to path, and counts it.
	Call(path string) Fault
	// ClockSkew is the service's clock minus the real time.
	ClockSkew() time.Duration
	// TokenLifetime is the lifetime of all new database tokens. Zero means that
	// of the request.
	TokenLifetime() time.Duration
}

// Stats counts calls. Its methods are called concurrently.
type Stats interface {
	// Call counts a call to the service's API.
	Call()
	// CredentialCall counts a request for a database credential by the holder
	// of an access token, until ended is called.
	CredentialCall(token string) (ended func())
	// TokenMinted counts a new database token.
	TokenMinted()
}

// API is the REST API, an [http.Handler].
type API struct{ *router }

// New returns the API of a workspace.
func New(o Options) *API {
	r := newRouter(o)
	oidc{r}.routes()
	identity{r}.routes()
	instances{r}.routes()
	instanceRoles{r}.routes()
	projects{r}.routes()
	branches{r}.routes()
	endpoints{r}.routes()
	roles := newRoles(r)
	roles.routes()
	newDatabases(r, roles).routes()
	credentials{r}.routes()
	return &API{r}
}
