package rest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// resourceJSON is what most resources of a project have in common on the wire.
type resourceJSON struct {
	Name       string    `json:"name"`
	UID        string    `json:"uid,omitempty"`
	Parent     string    `json:"parent,omitempty"`
	CreateTime time.Time `json:"create_time,omitzero"`
	UpdateTime time.Time `json:"update_time,omitzero"`
}

// maxBody limits what is read of a request.
const maxBody = 1 << 20 // bytes

// isControl reports whether path belongs to the local Lakebase and not to the
// service. Faults and statistics ignore these calls, or else nobody could end
// the faults.
func isControl(path string) bool { return path == "/" || strings.HasPrefix(path, "/local/") }

// router routes calls to handlers. It applies faults, authenticates callers and
// encodes replies.
type router struct {
	o   Options
	ws  *workspace.Workspace
	log *slog.Logger
	ops operations
	mux *http.ServeMux
}

func newRouter(o Options) *router {
	r := &router{o: o, ws: o.Workspace, log: o.Logger, mux: http.NewServeMux()}
	r.mux.HandleFunc("/", func(w http.ResponseWriter, req *http.Request) {
		r.refuse(w, req, apierror.MissingPath(req.Method, req.URL.Path))
	})
	return r
}

// Handler answers a call with what is sent as JSON, or an error.
type Handler func(c *Call) (any, error)

// Call is one request.
type Call struct {
	*http.Request
	caller *model.Principal
	faults callFaults
}

// callFaults are the faults of one call, from its beginning to its end.
type callFaults struct {
	Fault
	skew time.Duration // of the service's clock
}

type callFaultsKey struct{}

// now returns the time by the service's clock. The skew is constant within a
// call: the reply's date and a token's expiry must fit together.
func (c *Call) now() time.Time { return time.Now().Add(c.faults.skew).UTC() }

// Decode reads the body as JSON. An empty body leaves v as it is. Unknown
// fields are ignored: newer clients may send some.
func (c *Call) Decode(v any) error {
	data, err := io.ReadAll(c.Body)
	if err != nil {
		return apierror.Malformed("Could not read the request: %v", err)
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		var own *apierror.Error
		if errors.As(err, &own) {
			return own
		}
		return apierror.Malformed("Could not parse request object: %v", err)
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

// ServeHTTP applies faults before anything else is done with the call.
func (r *router) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f := callFaults{skew: r.o.Faults.ClockSkew()}
	w.Header().Set("Date", time.Now().Add(f.skew).UTC().Format(http.TimeFormat))
	w.Header().Set("X-Request-Id", uuid.NewString())
	if !isControl(req.URL.Path) {
		r.o.Stats.Call()
		if isCredentialCall(req) {
			token, _ := bearer(req)
			defer r.o.Stats.CredentialCall(token)()
		}
		f.Fault = r.o.Faults.Call(req.URL.Path)
		if f.apply(w, req, r.o.Closing) {
			return
		}
		if f.Status != 0 {
			r.refuse(w, req, apierror.Fault(f.Status))
			return
		}
	}
	req.Body = http.MaxBytesReader(w, req.Body, maxBody)
	r.mux.ServeHTTP(w, req.WithContext(context.WithValue(req.Context(), callFaultsKey{}, f)))
}

// HandlePublic routes pattern to h without authentication.
func (r *router) HandlePublic(pattern string, h http.HandlerFunc) { r.mux.HandleFunc(pattern, h) }

// handle routes pattern to h for all principals.
func (r *router) handle(pattern string, h Handler) {
	r.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) {
		caller, err := r.authenticate(req)
		if err != nil {
			r.refuse(w, req, err)
			return
		}
		faults, _ := req.Context().Value(callFaultsKey{}).(callFaults)
		reply, err := h(&Call{Request: req, caller: caller, faults: faults})
		if err != nil {
			r.refuse(w, req, err)
			return
		}
		r.reply(w, http.StatusOK, reply)
	})
}

// resource routes pattern to h for principals with permissions in the
// workspace.
func (r *router) resource(pattern string, h Handler) {
	r.handle(pattern, func(c *Call) (any, error) {
		if c.caller.Outsider {
			return nil, apierror.Forbidden("User %s does not have permission to use '%s'", c.caller.Name, strings.TrimPrefix(c.URL.Path, "/api/2.0/"))
		}
		return h(c)
	})
}

// HandleOwner routes pattern to h for the default user only.
func (r *router) HandleOwner(pattern string, h Handler) {
	r.handle(pattern, func(c *Call) (any, error) {
		r.ws.Lock()
		owner := r.ws.State.Owner()
		r.ws.Unlock()
		if c.caller != owner {
			return nil, apierror.Forbidden("The local control API takes the access token of %s", owner.Name)
		}
		return h(c)
	})
}

// locked calls h with the workspace's lock held.
func (r *router) locked(h Handler) Handler {
	return func(c *Call) (any, error) {
		r.ws.Lock()
		defer r.ws.Unlock()
		return h(c)
	}
}

// authenticate returns the caller, by a user's access token or by an OAuth token
// of the workspace.
func (r *router) authenticate(req *http.Request) (*model.Principal, error) {
	token, ok := bearer(req)
	if !ok {
		return nil, apierror.Unauthenticated("Credential was not sent or was of an unsupported type for this API.")
	}
	r.ws.Lock()
	defer r.ws.Unlock()
	if user := r.ws.State.UserWithToken(token); user != nil {
		return user, nil
	}
	claims, err := r.o.Tokens.Verify(token, pki.ScopeWorkspace, r.ws.State.WorkspaceID)
	switch {
	case errors.Is(err, pki.ErrExpired):
		return nil, apierror.Unauthenticated("Access token has expired.")
	case err == nil:
		if p := r.ws.State.Principal(claims.Subject); p != nil {
			return p, nil
		}
	}
	return nil, apierror.Unauthenticated("Invalid access token.")
}

func bearer(req *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(req.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

func (r *router) reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		r.log.Error("reply cannot be encoded", "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"error_code":"INTERNAL_ERROR","message":"reply cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that is gone needs no reply
}

// refuse replies with an error. One that is not the API's is a failure of this
// server.
func (r *router) refuse(w http.ResponseWriter, req *http.Request, err error) {
	var own *apierror.Error
	if !errors.As(err, &own) {
		r.log.Error("call failed", "method", req.Method, "path", req.URL.Path, "error", err)
	}
	e := apierror.From(err)
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Databricks"`)
	}
	r.reply(w, e.Status, e.Body(w.Header().Get("X-Request-Id")))
}
