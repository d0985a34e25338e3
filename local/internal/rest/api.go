// Package rest is the REST API of a local workspace: database instances,
// projects, credentials, identities, and OAuth for its own tokens.
package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// Options configure an API. All fields are required.
type Options struct {
	Workspace     *workspace.Workspace
	Tokens        *pki.Issuer
	TokenLifetime time.Duration // of database tokens, unless the request says
	URL           string        // base URL of the API
	Logger        *slog.Logger

	// What follows is called concurrently.

	// Fault applies the fault of a call, if there is one. It may return an error
	// to reply with, or abort the call.
	Fault          func(w http.ResponseWriter, req *http.Request) (omitName bool, err error)
	FaultyLifetime func() time.Duration // of all new database tokens; zero means as requested
	OnCall         func()               // counts a call to the service's API
	OnToken        func()               // counts a new database token
	// OnCredentialCall counts a request for a database credential by the holder
	// of an access token, until ended is called.
	OnCredentialCall func(token string) (ended func())
}

// maxBody limits what is read of a request.
const maxBody = 1 << 20 // bytes

// API is the REST API, an [http.Handler]. For every call it applies faults,
// authenticates the caller, finds what the path names and encodes the reply.
// The server's ConnContext must be that of this package.
type API struct {
	o   Options
	ws  *workspace.Workspace
	mux *http.ServeMux
	ops operations

	usedCodes sync.Map // authorization codes, until they expire
}

// New returns the API of a workspace.
func New(o Options) *API {
	a := &API{o: o, ws: o.Workspace, mux: http.NewServeMux()}
	a.HandlePublic("/", func(w http.ResponseWriter, req *http.Request) {
		a.refuse(w, req, apierror.MissingPath(req.Method, req.URL.Path))
	})
	oidc{a}.routes()
	a.handle("GET /api/2.0/preview/scim/v2/Me", a.me)
	a.handle("GET /api/2.0/scim/v2/Me", a.me)
	instances{a}.routes()
	projects{a}.routes()
	branches{a}.routes()
	endpoints{a}.routes()
	a.roleRoutes()
	credentials{a}.routes()
	permissions{a}.routes()
	a.operationRoutes()
	for what, paths := range unbuilt {
		for _, path := range paths {
			a.permitted("/api/2.0/"+path, func(*Call) (any, error) { return nil, apierror.NotImplemented(what) })
		}
	}
	return a
}

// unbuilt are the calls of the service that are not implemented here.
var unbuilt = map[string][]string{
	"catalogs and synced tables are": {
		"database/instances/{of}/catalogs", "database/instances/{of}/synced_tables", "database/catalogs", "database/catalogs/{id}",
		"database/tables", "database/tables/{id}", "database/synced_tables", "database/synced_tables/{id}",
		"postgres/catalogs", "postgres/catalogs/{rest...}", "postgres/synced_tables", "postgres/synced_tables/{rest...}",
	},
	"the Data API is": {
		"postgres/projects/{p}/branches/{b}/data-api", "postgres/projects/{p}/branches/{b}/databases/{d}/data-api",
	},
	"change data feeds are": {
		"postgres/projects/{p}/branches/{b}/databases/{d}/cdf-configs", "postgres/projects/{p}/branches/{b}/databases/{d}/cdf-configs/{rest...}",
	},
	"snapshots and backup schedules are": {
		"postgres/projects/{p}/snapshots", "postgres/projects/{p}/snapshots/{id}",
		"postgres/projects/{p}/branches/{b}/backup-schedules", "postgres/projects/{p}/branches/{b}/backup-schedules/{id}",
	},
}

// ServeHTTP implements http.Handler. Clients write a method of a resource as
// "/undelete" or ":undelete", which the routes cannot have after a wildcard.
func (a *API) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	resource, method, found := strings.Cut(req.URL.Path, ":")
	if found && req.Method == http.MethodPost && strings.HasPrefix(resource, projectsPath+"/") {
		req = req.Clone(req.Context())
		req.URL.Path, req.URL.RawPath = resource+"/"+method, ""
	}
	a.mux.ServeHTTP(w, req)
}

// Handler answers a call with what is sent as JSON, or an error.
type Handler func(c *Call) (any, error)

// Call is one request.
type Call struct {
	*http.Request
	caller   *model.Principal
	omitName bool // of instances
	// now is the time by the service's clock at the start: the reply's date and
	// a token's expiry must fit together.
	now time.Time

	// What the path names, nil if it does not.
	instance *model.Instance
	project  *model.Project
	branch   *model.Branch // also that of instance
	endpoint *model.Endpoint
}

// Decode reads the body as JSON. An empty body leaves v as it is. Unknown
// fields are ignored: newer clients may send some.
func (c *Call) Decode(v any) error {
	data, err := io.ReadAll(c.Body)
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, v)
	}
	var own *apierror.Error
	if err == nil || errors.As(err, &own) {
		return err
	}
	return apierror.Malformed("Could not parse request object: %v", err)
}

// find looks up what the path names. The caller holds the workspace's lock.
func (c *Call) find(s *model.State) error {
	if name := c.PathValue("name"); name != "" {
		if c.instance = s.Instance(name); c.instance == nil {
			return apierror.MissingInstance(name)
		}
		c.branch = c.instance.Endpoint().Branch
	}
	// What is deleted can still be read and undeleted, but has nothing below it.
	if id := c.PathValue("project"); id != "" {
		c.project = s.Project(id)
		if c.project == nil || c.project.Gone() && c.Pattern != c.Method+" "+projectPath && c.Pattern != undeleteProject {
			return apierror.Missing("project")
		}
	}
	if id := c.PathValue("branch"); id != "" {
		c.branch = c.project.Branch(id)
		if c.branch == nil || c.branch.Gone() && c.Pattern != c.Method+" "+branchPath && c.Pattern != undeleteBranch {
			return apierror.Missing("branch")
		}
	}
	if id := c.PathValue("endpoint"); id != "" {
		if c.endpoint = c.branch.Endpoint(id); c.endpoint == nil {
			return apierror.Missing("endpoint")
		}
	}
	return nil
}

// decoded returns a handler that decodes the body for h.
func decoded[T any](h func(c *Call, in T) (any, error)) Handler {
	return func(c *Call) (any, error) {
		var in T
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		return h(c, in)
	}
}

// masked returns a handler that decodes the body for h and parses the
// update_mask, which may have the known fields.
func masked[T any](known []string, h func(c *Call, in T, mask fieldMask) (any, error)) Handler {
	return decoded(func(c *Call, in T) (any, error) {
		mask, err := updateMask(c, known)
		if err != nil {
			return nil, err
		}
		return h(c, in, mask)
	})
}

// route routes pattern to h. Faults come before anything else is done with a
// call. Those to the local Lakebase and not to the service have none and are not
// counted, or else no call could end the faults.
func (a *API) route(pattern string, h func(w http.ResponseWriter, c *Call)) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		c := &Call{Request: req, now: a.ws.Now()}
		w.Header().Set("Date", c.now.Format(http.TimeFormat))
		w.Header().Set("X-Request-Id", uuid.NewString())
		w.Header().Set("X-Databricks-Org-Id", a.ws.State.WorkspaceID)
		// net/http notices that a client has closed only once the request is read.
		body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
		req.Body = io.NopCloser(bytes.NewReader(body))
		if path := req.URL.Path; path != "/" && !strings.HasPrefix(path, "/local/") {
			a.o.OnCall()
			if pattern == instanceCredentials || pattern == endpointCredentials {
				token, _ := bearer(req)
				defer a.o.OnCredentialCall(token)()
			}
			var fault error
			if c.omitName, fault = a.o.Fault(w, req); fault != nil {
				a.refuse(w, req, fault)
				return
			}
		}
		if err != nil {
			a.refuse(w, req, apierror.Malformed("Could not read the request: %v", err))
			return
		}
		h(w, c)
	})
}

// HandlePublic routes pattern to h without authentication.
func (a *API) HandlePublic(pattern string, h http.HandlerFunc) {
	a.route(pattern, func(w http.ResponseWriter, c *Call) { h(w, c.Request) })
}

// handle routes pattern to h for all principals.
func (a *API) handle(pattern string, h Handler) {
	a.route(pattern, func(w http.ResponseWriter, c *Call) {
		var reply any
		var err error
		if c.caller, err = a.authenticate(c.Request); err == nil {
			reply, err = h(c)
		}
		if err != nil {
			a.refuse(w, c.Request, err)
			return
		}
		a.reply(w, http.StatusOK, reply)
	})
}

// permitted routes pattern to h for principals with permissions in the
// workspace.
func (a *API) permitted(pattern string, h Handler) {
	a.handle(pattern, func(c *Call) (any, error) {
		if c.caller.Outsider {
			return nil, apierror.Forbidden("User %s does not have permission to use '%s'", c.caller.Name, strings.TrimPrefix(c.URL.Path, "/api/2.0/"))
		}
		return h(c)
	})
}

// locked is permitted for handlers to be called with the workspace's lock held,
// after what the path names has been found. What they change is saved before
// the reply.
func (a *API) locked(pattern string, h Handler) {
	answer := func(c *Call) (any, error) {
		a.ws.Lock()
		defer a.ws.Unlock()
		a.ws.Expire()
		if err := c.find(a.ws.State); err != nil {
			return nil, err
		}
		return h(c)
	}
	a.permitted(pattern, func(c *Call) (any, error) {
		reply, err := answer(c)
		if err == nil && c.Method != http.MethodGet {
			err = a.ws.Save()
		}
		return reply, err
	})
}

// resource is locked for handlers that do not hold the lock.
func (a *API) resource(pattern string, h Handler) {
	a.locked(pattern, func(c *Call) (any, error) {
		a.ws.Unlock()
		defer a.ws.Lock()
		return h(c)
	})
}

// HandleOwner routes pattern to h for the default user only.
func (a *API) HandleOwner(pattern string, h Handler) {
	a.handle(pattern, func(c *Call) (any, error) {
		if owner := a.ws.State.Owner(); c.caller != owner {
			return nil, apierror.Forbidden("The local control API takes the access token of %s", owner.Name)
		}
		return h(c)
	})
}

func (a *API) reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		a.o.Logger.Error("reply cannot be encoded", "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"error_code":"INTERNAL_ERROR","message":"reply cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that is gone needs no reply
}

// refuse replies with an error. One that is not the API's is a failure of this
// server.
func (a *API) refuse(w http.ResponseWriter, req *http.Request, err error) {
	var own *apierror.Error
	if !errors.As(err, &own) {
		a.o.Logger.Error("call failed", "method", req.Method, "path", req.URL.Path, "error", err)
	}
	e := apierror.From(err)
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Databricks"`)
	}
	a.reply(w, e.Status, e.Body(w.Header().Get("X-Request-Id")))
}
