package workspace

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"
)

const instancesPath = "/api/2.0/database/instances"

// State says whether something can be connected to.
type State string

// States, the union of what both products report, reduced to what matters. A
// state that is not known counts as Available: the connection will tell.
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
	Name, UID    string
	State        State
	RawState     string // as the service words it
	ReadWriteDNS string
	ReadOnlyDNS  string
	PGVersion    string // e.g. "16"
	NativeLogin  bool   // roles with a password of their own may log in
}

// instanceJSON is an instance as the service sends it.
type instanceJSON struct {
	Name                 string `json:"name"`
	UID                  string `json:"uid"`
	State                string `json:"state"`
	PGVersion            string `json:"pg_version"`
	ReadWriteDNS         string `json:"read_write_dns"`
	ReadOnlyDNS          string `json:"read_only_dns"`
	Stopped              bool   `json:"stopped"`
	EffectiveStopped     bool   `json:"effective_stopped"`
	NativeLogin          bool   `json:"enable_pg_native_login"`
	EffectiveNativeLogin bool   `json:"effective_enable_pg_native_login"`
}

func (j *instanceJSON) instance() Instance {
	state := stateOf(j.State)
	if j.State == "" && (j.Stopped || j.EffectiveStopped) {
		state = Stopped
	}
	return Instance{
		Name:         j.Name,
		UID:          j.UID,
		State:        state,
		RawState:     j.State,
		ReadWriteDNS: j.ReadWriteDNS,
		ReadOnlyDNS:  j.ReadOnlyDNS,
		PGVersion:    strings.TrimPrefix(j.PGVersion, "PG_VERSION_"),
		NativeLogin:  j.NativeLogin || j.EffectiveNativeLogin,
	}
}

// Instance returns the Provisioned instance of that name.
func (c *Client) Instance(ctx context.Context, name string) (*Instance, error) {
	path, err := join(instancesPath, name)
	if err != nil {
		return nil, err
	}
	var j instanceJSON
	if _, err := c.get(ctx, path, nil, &j); err != nil {
		return nil, err
	}
	i := j.instance()
	i.Name = cmp.Or(i.Name, name) // the service leaves it out at times
	return &i, nil
}

// Instances lists the Provisioned instances that the caller may see.
func (c *Client) Instances(ctx context.Context) ([]Instance, error) {
	var all []Instance
	err := c.pages(ctx, instancesPath, func() (any, func() string) {
		var page struct {
			Instances []instanceJSON `json:"database_instances"`
			Next      string         `json:"next_page_token"`
		}
		return &page, func() string {
			for i := range page.Instances {
				all = append(all, page.Instances[i].instance())
			}
			return page.Next
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// pages reads a list to its end. For each page, next returns where to decode
// it and a function that keeps it and returns the token of the following one.
func (c *Client) pages(ctx context.Context, path string, next func() (page any, keep func() string)) error {
	query := url.Values{"page_size": {"100"}}
	seen := make(map[string]bool)
	for {
		page, keep := next()
		rep, err := c.get(ctx, path, query, page)
		if err != nil {
			return err
		}
		token := keep()
		switch {
		case token == "":
			return nil
		case seen[token]:
			return rep.malformed("its pages run in a circle")
		}
		seen[token] = true
		query.Set("page_token", token)
	}
}

// join appends names to a path, escaped, one segment each. It refuses those
// that would not arrive as what they are.
func join(path string, names ...string) (string, error) {
	for _, name := range names {
		if err := checkName(http.MethodGet+" "+path, name); err != nil {
			return "", err
		}
		path += "/" + url.PathEscape(name)
	}
	return path, nil
}

func checkName(op, name string) error {
	switch {
	case name == "":
		return invalid(op, "a name is missing")
	case name == "." || name == "..":
		return invalid(op, "%q is no name", name)
	case len(name) > 255:
		return invalid(op, "a name of %d characters is too long", len(name))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid(op, "%q has control characters", name)
	}
	return nil
}
