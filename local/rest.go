package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// controlPrefix is the part of the API that the service does not have. API
// faults spare it, or there would be no way to end them.
const controlPrefix = "/local/"

// isControl reports whether path is for those who watch this server, and not
// a call of the service.
func isControl(path string) bool { return path == "/" || strings.HasPrefix(path, controlPrefix) }

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// restAPI is the workspace's REST API.
type restAPI struct {
	server *Server // for the control routes
	ws     *workspace
	faults *faultBox
	stats  *counters
	log    *slog.Logger
	mux    *http.ServeMux
	// closing ends hung calls when the server closes.
	closing <-chan struct{}
}

// handler answers one call: with what is to be sent as JSON, or an error.
type handler func(c *call) (any, error)

// call is one request and who made it.
type call struct {
	*http.Request
	caller *principal
	struck
}

// struck is what faults do to one call, from its beginning to its end.
type struck struct {
	fault APIFault
	skew  time.Duration // of the service's clock
}

type struckKey struct{}

// now is the time by the service's clock. That clock does not jump within a
// call, or else the reply's date and a token's end would not fit together.
func (c *call) now() time.Time { return time.Now().Add(c.skew).UTC() }

func newRESTAPI(s *Server) *restAPI {
	a := &restAPI{
		server: s, ws: s.ws, faults: &s.faults, stats: &s.stats, log: s.log,
		mux: http.NewServeMux(), closing: s.ctx.Done(),
	}
	a.oidcRoutes()
	a.identityRoutes()
	a.instanceRoutes()
	a.projectRoutes()
	a.branchRoutes()
	a.endpointRoutes()
	a.roleRoutes()
	a.databaseRoutes()
	a.controlRoutes()
	a.mux.HandleFunc("GET /{$}", a.statusPage)
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, errMissingPath(r.Method, r.URL.Path))
	})
	return a
}

// ServeHTTP lets faults strike before anything else sees the call.
func (a *restAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	skew := a.faults.clockSkew()
	w.Header().Set("Date", time.Now().Add(skew).UTC().Format(http.TimeFormat))
	w.Header().Set("X-Request-Id", uuid.NewString())
	if !isControl(r.URL.Path) {
		a.stats.apiCalls.Add(1)
		if isCredentialCall(r) {
			token, _ := bearer(r)
			defer a.stats.credentialCall(token)()
		}
	}
	fault, strikes := a.faults.strikeAPI(r.URL.Path)
	if strikes && a.strike(w, r, fault) {
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	a.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), struckKey{}, struck{fault, skew})))
}

func isCredentialCall(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == "/api/2.0/database/credentials" || r.URL.Path == "/api/2.0/postgres/credentials")
}

// strike makes a call go wrong and reports whether that was the end of it.
func (a *restAPI) strike(w http.ResponseWriter, r *http.Request, f APIFault) bool {
	if f.OmitDate {
		w.Header()["Date"] = nil // nil, not absent: net/http would add one
	}
	if f.Delay > 0 && !a.wait(r, time.After(time.Duration(f.Delay))) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Refuse:
		reset(w)
		return true
	case f.Hang:
		a.wait(r, nil)
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		a.refuse(w, r, errFault(f.Status))
		return true
	}
	return false
}

// wait waits for until, and reports whether it came before the client or the
// server gave up.
func (a *restAPI) wait(r *http.Request, until <-chan time.Time) bool {
	// The client's leaving is noticed only once its request has been read.
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
	r.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case <-until:
		return true
	case <-r.Context().Done():
	case <-a.closing:
	}
	return false
}

// reset ends the connection as a crashed server does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = outer.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}

// handle routes pattern to h for anybody who is logged in.
func (a *restAPI) handle(pattern string, h handler) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		caller, err := a.authenticate(r)
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		faults, _ := r.Context().Value(struckKey{}).(struck)
		reply, err := h(&call{Request: r, caller: caller, struck: faults})
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		a.reply(w, http.StatusOK, reply)
	})
}

// resource is handle for what takes a permission in the workspace.
func (a *restAPI) resource(pattern string, h handler) {
	a.handle(pattern, func(c *call) (any, error) {
		if c.caller.Outsider {
			return nil, errForbidden("User %s does not have permission to use '%s'", c.caller.Name, strings.TrimPrefix(c.URL.Path, "/api/2.0/"))
		}
		return h(c)
	})
}

// authenticate finds who makes a call, by personal access token or by a
// workspace OAuth token that has not expired.
func (a *restAPI) authenticate(r *http.Request) (*principal, error) {
	token, ok := bearer(r)
	if !ok {
		return nil, errUnauthenticated("Credential was not sent or was of an unsupported type for this API.")
	}
	a.ws.mu.Lock()
	workspaceID := a.ws.state.WorkspaceID
	user := find(a.ws.state.Principals, func(p *principal) bool { return p.Kind == identityUser && same(p.Secret, token) })
	a.ws.mu.Unlock()
	if user != nil {
		return user, nil
	}
	claims, err := a.ws.tokens.verify(token, scopeWorkspace, workspaceID)
	switch {
	case errors.Is(err, errTokenExpired):
		return nil, errUnauthenticated("Access token has expired.")
	case err != nil:
		return nil, errUnauthenticated("Invalid access token.")
	}
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	if p := a.ws.state.principal(claims.Subject); p != nil {
		return p, nil
	}
	return nil, errUnauthenticated("Invalid access token.")
}

func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

func (a *restAPI) reply(w http.ResponseWriter, status int, body any) {
	data, err := json.Marshal(body)
	if err != nil {
		a.log.Error("reply cannot be encoded", "error", err)
		status, data = http.StatusInternalServerError, []byte(`{"error_code":"INTERNAL_ERROR","message":"reply cannot be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // a client that left needs no answer
}

// refuse answers with an error; one that is not in the service's words is
// this server's own failure.
func (a *restAPI) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refused *apiError
	if !errors.As(err, &refused) {
		a.log.Error("call failed", "method", r.Method, "path", r.URL.Path, "error", err)
		refused = &apiError{Status: http.StatusInternalServerError, Code: "INTERNAL_ERROR", Message: err.Error()}
	}
	if refused.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Databricks"`)
	}
	a.reply(w, refused.Status, refused.body(w.Header().Get("X-Request-Id")))
}

// decode reads the body as JSON. An empty body leaves v as it is; unknown
// fields are ignored, as newer clients may send some.
func (c *call) decode(v any) error {
	data, err := io.ReadAll(c.Body)
	if err != nil {
		return errMalformed("Could not read the request: %v", err)
	}
	if len(data) == 0 {
		return nil
	}
	if err := json.Unmarshal(data, v); err != nil {
		var own *apiError
		if errors.As(err, &own) {
			return own
		}
		return errMalformed("Could not parse request object: %v", err)
	}
	return nil
}
