package local

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/rest"
)

// control has the REST calls that the service does not have, for clients that
// cannot call the methods of [Server]. Each takes the default user's access
// token and replies with JSON. Faults do not affect them.
//
//	GET    /local/v1/status                      Status
//	GET    /local/v1/stats                       Stats
//	GET    /local/v1/env?target=T&principal=P    the variables to connect to T as P: [{"name","value"}]
//	GET    /local/v1/principals                  the identities with their secrets
//	POST   /local/v1/principals                  {"name"} -> the identity, which is created if there is none
//	POST   /local/v1/apps                        {"name","target","database"} -> the variables of an app
//	GET    /local/v1/faults                      the faults in force: Faults
//	PUT    /local/v1/faults                      replace them by the Faults in the body
//	DELETE /local/v1/faults                      end them all
//	POST   /local/v1/tokens:mint                 {"subject","target","lifetime":"1m","foreign","workspace"} -> {"token"}
//	POST   /local/v1/tokens:revoke               invalidate every database token minted so far
//	POST   /local/v1/targets/T:stop              stop it; connections do not wake it
//	POST   /local/v1/targets/T:start             end a stop; answers when it accepts connections
//	POST   /local/v1/targets/T:suspend           scale to zero; the next connection wakes it
//	POST   /local/v1/targets/T:failover          {"duration":"2s"}; answers when it is over
//	POST   /local/v1/targets/T:upgrade           make an instance log clients in as a project does
//	POST   /local/v1/targets/T:native-login      {"off":true} or {}
//	POST   /local/v1/targets/T:read-only         {"id"}; add a read-only endpoint -> {"endpoint"}
//	POST   /local/v1/targets/T:reset-connections cut every client connection -> {"connections"}
//
// T is an instance name or a resource path, its slashes as they are, or
// empty for the default.
type control struct{ *Server }

// names is the body of calls that name something.
type names struct {
	Name, Target, Database, ID string
	Off                        bool
}

func (h control) routes(api *rest.API) {
	api.HandlePublic("GET /{$}", h.page)
	api.HandleOwner("GET /local/v1/status", func(*rest.Call) (any, error) { return h.Status(), nil })
	api.HandleOwner("GET /local/v1/stats", func(*rest.Call) (any, error) { return h.Stats(), nil })
	api.HandleOwner("GET /local/v1/env", func(c *rest.Call) (any, error) {
		return h.EnvAs(c.URL.Query().Get("principal"), c.URL.Query().Get("target"))
	})
	api.HandleOwner("GET /local/v1/principals", func(*rest.Call) (any, error) { return h.Principals(), nil })
	api.HandleOwner("POST /local/v1/principals", func(c *rest.Call) (any, error) {
		var in names
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		return h.CreatePrincipal(in.Name)
	})
	api.HandleOwner("POST /local/v1/apps", func(c *rest.Call) (any, error) {
		var in names
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		return h.App(c.Context(), in.Name, in.Target, in.Database)
	})
	api.HandleOwner("GET /local/v1/faults", func(*rest.Call) (any, error) { return h.Faults(), nil })
	api.HandleOwner("PUT /local/v1/faults", h.putFaults)
	api.HandleOwner("DELETE /local/v1/faults", func(*rest.Call) (any, error) { return Faults{}, h.SetFaults(Faults{}) })
	api.HandleOwner("POST /local/v1/tokens:mint", h.mint)
	api.HandleOwner("POST /local/v1/tokens:revoke", func(*rest.Call) (any, error) {
		h.RevokeTokens()
		return struct{}{}, nil
	})
	api.HandleOwner("POST /local/v1/targets/{target...}", h.targetAction)
}

// putFaults refuses unknown fields: a misspelled fault would have no effect.
func (h control) putFaults(c *rest.Call) (any, error) {
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, apierror.Malformed("could not read the request: %v", err)
	}
	var f Faults
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, apierror.Invalid("faults: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := h.SetFaults(f); err != nil {
		return nil, apierror.Invalid("%v", err)
	}
	return h.Faults(), nil
}

func (h control) mint(c *rest.Call) (any, error) {
	var in struct {
		MintOptions          // names of fields in JSON may have any case
		Lifetime    Duration `json:"lifetime"`
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	in.MintOptions.Lifetime = time.Duration(in.Lifetime)
	token, err := h.Mint(in.MintOptions)
	if err != nil {
		return nil, err
	}
	return map[string]string{"token": token}, nil
}

// targetAction changes the state of a target. It completes even if the client
// does not wait for it.
func (h control) targetAction(c *rest.Call) (any, error) {
	target := c.PathValue("target")
	colon := strings.LastIndex(target, ":")
	if colon < 0 {
		return nil, apierror.MissingPath(c.Method, c.URL.Path)
	}
	target, action := target[:colon], target[colon+1:]
	ctx := context.WithoutCancel(c.Context())
	changes := map[string]func(context.Context, string) error{
		"stop": h.StopTarget, "start": h.StartTarget, "suspend": h.Suspend, "upgrade": h.UpgradeInstance,
	}
	var in struct {
		names
		Duration Duration `json:"duration"`
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	switch action {
	case "failover":
		return struct{}{}, h.Failover(ctx, target, time.Duration(in.Duration))
	case "native-login":
		return struct{}{}, h.SetNativeLogin(target, !in.Off)
	case "read-only":
		path, err := h.AddReadOnlyEndpoint(ctx, target, cmp.Or(in.ID, "read-only"))
		return map[string]string{"endpoint": path}, err
	case "reset-connections":
		if _, err := h.ws.Lookup(target); err != nil {
			return nil, err
		}
		return map[string]int{"connections": h.CloseConnections(target)}, nil
	}
	change, ok := changes[action]
	if !ok {
		return nil, apierror.MissingPath(c.Method, c.URL.Path)
	}
	return struct{}{}, change(ctx, target)
}
