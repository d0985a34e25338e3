package local

import (
	"cmp"
	"os"
	"time"
)

// Status is what runs, for people and tools to look at. It holds no secret.
type Status struct {
	PID          int              `json:"pid"`
	Started      time.Time        `json:"started"`
	DataDir      string           `json:"data_dir"`
	Ephemeral    bool             `json:"ephemeral"`
	WorkspaceURL string           `json:"workspace_url"`
	PostgresAddr string           `json:"postgres_addr"`
	DNSAddr      string           `json:"dns_addr"`
	RootCertFile string           `json:"root_cert_file"`
	HostNames    HostNaming       `json:"host_names"`
	User         string           `json:"user"`
	Postgres     string           `json:"postgres_version,omitempty"` // unknown with DatabaseURL
	Connections  int              `json:"connections"`
	Endpoints    []EndpointStatus `json:"endpoints"`
	Faults       Faults           `json:"faults"`
	Stats        Stats            `json:"stats"`
}

// EndpointStatus is something that can be connected to.
type EndpointStatus struct {
	Target       string `json:"target"` // as in [Server.Env]
	Product      string `json:"product"`
	Default      bool   `json:"default,omitempty"`
	ReadOnly     bool   `json:"read_only,omitempty"`
	State        string `json:"state"`   // as the service words it
	Compute      string `json:"compute"` // idle, waking, active or stopped
	Host         string `json:"host,omitempty"`
	ReadOnlyHost string `json:"read_only_host,omitempty"`
	PooledHost   string `json:"pooled_host,omitempty"`
	Port         uint16 `json:"port"`
	Connections  int    `json:"connections"`
}

// Status returns what runs.
func (s *Server) Status() Status {
	st := Status{
		PID: os.Getpid(), Started: s.started, DataDir: s.ws.dirs.root, Ephemeral: s.ephemeral,
		WorkspaceURL: s.WorkspaceURL(), PostgresAddr: s.PostgresAddr(), DNSAddr: s.DNSAddr(), RootCertFile: s.RootCertFile(),
		HostNames: s.opts.HostNames, User: s.User(), Connections: s.front.connections(""),
		Faults: s.Faults(), Stats: s.Stats(),
	}
	if in := s.ws.compute.Installation; in != nil {
		st.Postgres = in.Version
	}
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	for _, e := range s.ws.state.endpoints() {
		st.Endpoints = append(st.Endpoints, s.endpointStatus(e))
	}
	return st
}

// endpointStatus describes an endpoint. The caller holds the workspace's lock.
func (s *Server) endpointStatus(e *endpoint) EndpointStatus {
	es := EndpointStatus{
		Target: e.title(), Product: "autoscaling", Default: e.Key == s.ws.state.Default, ReadOnly: e.ReadOnly,
		Compute: string(e.compute().state()), Connections: s.front.connections(e.Key),
	}
	if e.provisioned() {
		es.Product, es.State = "provisioned", s.ws.instanceState(e.branch.instance)
	} else {
		es.State, _ = endpointState(e)
	}
	host, addr, _ := s.ws.hosts.address(e, doorMain)
	es.Host, es.Port = host, addr.Port()
	es.ReadOnlyHost, _, _ = s.ws.hosts.address(e, doorReadOnly)
	es.PooledHost, _, _ = s.ws.hosts.address(e, doorPooled)
	return es
}

// major is the PostgreSQL version that projects report.
func (w *workspace) major() int {
	if w.compute.Installation == nil {
		return 17
	}
	return cmp.Or(w.compute.Installation.Major, 17)
}
