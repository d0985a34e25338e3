package local

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"time"
)

// controlRoutes are the calls that the service does not have, for those who
// cannot call the methods of [Server]. Each takes the default user's access
// token and answers JSON; faults spare them.
//
//	GET    /local/v1/status                      what runs: Status
//	GET    /local/v1/stats                       the counters: Stats
//	GET    /local/v1/env?target=T                the variables to connect to T: [{"name","value"}]
//	GET    /local/v1/principals                  who can log in, secrets included
//	GET    /local/v1/faults                      the faults in force: Faults
//	PUT    /local/v1/faults                      replace them by the Faults in the body
//	DELETE /local/v1/faults                      end them all
//	POST   /local/v1/tokens:mint                 {"subject","target","lifetime":"1m","foreign"} -> {"token"}
//	POST   /local/v1/tokens:revoke               invalidate every database token minted so far
//	POST   /local/v1/targets/T:stop              stop it; connections do not wake it
//	POST   /local/v1/targets/T:start             end a stop; answers when it accepts connections
//	POST   /local/v1/targets/T:suspend           scale to zero; the next connection wakes it
//	POST   /local/v1/targets/T:failover          {"duration":"2s"}; answers when it is over
//	POST   /local/v1/targets/T:upgrade           turn an instance into a project
//	POST   /local/v1/targets/T:reset-connections cut every client connection -> {"connections"}
//
// T is an instance name or a resource path, its slashes as they are, or
// nothing for the default instance.
func (a *restAPI) controlRoutes() {
	a.control("GET /local/v1/status", func(*call) (any, error) { return a.server.Status(), nil })
	a.control("GET /local/v1/stats", func(*call) (any, error) { return a.server.Stats(), nil })
	a.control("GET /local/v1/env", func(c *call) (any, error) { return a.server.Env(c.URL.Query().Get("target")) })
	a.control("GET /local/v1/principals", a.listPrincipals)
	a.control("GET /local/v1/faults", func(*call) (any, error) { return a.server.Faults(), nil })
	a.control("PUT /local/v1/faults", a.putFaults)
	a.control("DELETE /local/v1/faults", func(*call) (any, error) { return Faults{}, a.server.SetFaults(Faults{}) })
	a.control("POST /local/v1/tokens:mint", a.mintToken)
	a.control("POST /local/v1/tokens:revoke", func(*call) (any, error) {
		a.server.RevokeTokens()
		return struct{}{}, nil
	})
	a.control("POST /local/v1/targets/{target...}", a.targetAction)
}

// control is handle for the default user alone.
func (a *restAPI) control(pattern string, h handler) {
	a.handle(pattern, func(c *call) (any, error) {
		a.ws.mu.Lock()
		owner := a.ws.state.owner()
		a.ws.mu.Unlock()
		if c.caller != owner {
			return nil, errForbidden("The local control API takes the access token of %s", owner.Name)
		}
		return h(c)
	})
}

func (a *restAPI) listPrincipals(*call) (any, error) {
	a.ws.mu.Lock()
	defer a.ws.mu.Unlock()
	return append([]*principal{}, a.ws.state.Principals...), nil
}

// putFaults takes no field that it does not know: a fault that is spelled
// wrong would pass for one that has no effect.
func (a *restAPI) putFaults(c *call) (any, error) {
	var f Faults
	body, err := io.ReadAll(c.Body)
	if err != nil {
		return nil, errMalformed("could not read the request: %v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, errInvalid("faults: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if err := a.server.SetFaults(f); err != nil {
		return nil, errInvalid("%v", err)
	}
	return a.server.Faults(), nil
}

func (a *restAPI) mintToken(c *call) (any, error) {
	var in struct {
		Subject  string   `json:"subject"`
		Target   string   `json:"target"`
		Lifetime Duration `json:"lifetime"`
		Foreign  bool     `json:"foreign"`
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	token, err := a.server.Mint(MintOptions{Subject: in.Subject, Target: in.Target, Lifetime: time.Duration(in.Lifetime), Foreign: in.Foreign})
	if err != nil {
		return nil, err
	}
	return map[string]string{"token": token}, nil
}

// targetAction changes the state of a target. It is finished even if the
// caller does not wait for it.
func (a *restAPI) targetAction(c *call) (any, error) {
	target := c.PathValue("target")
	colon := strings.LastIndex(target, ":")
	if colon < 0 {
		return nil, errMissingPath(c.Method, c.URL.Path)
	}
	target, action := target[:colon], target[colon+1:]
	ctx := context.WithoutCancel(c.Context())
	var err error
	switch action {
	case "stop":
		err = a.server.StopTarget(ctx, target)
	case "start":
		err = a.server.StartTarget(ctx, target)
	case "suspend":
		err = a.server.Suspend(ctx, target)
	case "failover":
		var in struct {
			Duration Duration `json:"duration"`
		}
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		err = a.server.Failover(ctx, target, time.Duration(in.Duration))
	case "upgrade":
		err = a.server.UpgradeInstance(ctx, target)
	case "reset-connections":
		if _, err := a.ws.lookup(target); err != nil {
			return nil, err
		}
		return map[string]int{"connections": a.server.CloseConnections(target)}, nil
	default:
		return nil, errMissingPath(c.Method, c.URL.Path)
	}
	return struct{}{}, err
}
