package local

import (
	"os"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/rest"
)

// Status describes a running server. It contains no secret.
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
	Postgres     string           `json:"postgres_version,omitempty"` // empty with DatabaseURL
	Connections  int              `json:"connections"`
	Endpoints    []EndpointStatus `json:"endpoints"`
	Faults       Faults           `json:"faults"`
	Stats        Stats            `json:"stats"`
}

// EndpointStatus describes an instance or endpoint.
type EndpointStatus struct {
	Target       string `json:"target"`  // for [Server.Env]
	Product      string `json:"product"` // provisioned or autoscaling
	Default      bool   `json:"default,omitempty"`
	ReadOnly     bool   `json:"read_only,omitempty"`
	State        string `json:"state"`   // in the words of the API
	Compute      string `json:"compute"` // idle, waking, active or stopped
	Host         string `json:"host,omitempty"`
	ReadOnlyHost string `json:"read_only_host,omitempty"`
	PooledHost   string `json:"pooled_host,omitempty"`
	Port         uint16 `json:"port"`
	Connections  int    `json:"connections"`
}

// Status describes the server.
func (s *Server) Status() Status {
	st := Status{
		PID: os.Getpid(), Started: s.started, DataDir: s.dir.root, Ephemeral: s.dir.ephemeral,
		WorkspaceURL: s.WorkspaceURL(), PostgresAddr: s.PostgresAddr(), DNSAddr: s.DNSAddr(), RootCertFile: s.RootCertFile(),
		HostNames: s.opts.HostNames, User: s.User(), Postgres: s.ws.PostgresVersion(), Connections: s.front.Connections(""),
		Faults: s.Faults(), Stats: s.Stats(),
	}
	s.ws.Lock()
	defer s.ws.Unlock()
	for _, e := range s.ws.State.Endpoints() {
		st.Endpoints = append(st.Endpoints, s.endpointStatus(e))
	}
	return st
}

// endpointStatus describes an endpoint. The caller holds the workspace's lock.
func (s *Server) endpointStatus(e *model.Endpoint) EndpointStatus {
	main, _ := s.hosts.Host(e.Key, hosts.Main)
	readOnly, _ := s.hosts.Host(e.Key, hosts.ReadOnly)
	pooled, _ := s.hosts.Host(e.Key, hosts.Pooled)
	es := EndpointStatus{
		Target: e.Title(), Product: "autoscaling", Default: e.Key == s.ws.State.Default, ReadOnly: e.ReadOnly,
		Compute: string(e.Compute().State()), Connections: s.front.Connections(e.Key),
		Host: main.Host, Port: main.Addr.Port(), ReadOnlyHost: readOnly.Host, PooledHost: pooled.Host,
	}
	if e.Provisioned() {
		es.Product, es.State = "provisioned", rest.InstanceState(e.Branch.Instance)
	} else {
		es.State, _ = rest.EndpointState(e)
	}
	return es
}
