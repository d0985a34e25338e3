package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/rest"
)

// Process is a running server as other processes see it.
type Process struct {
	PID          int       `json:"pid"`
	Started      time.Time `json:"started"`
	DataDir      string    `json:"data_dir"`
	WorkspaceURL string    `json:"workspace_url"`
	PostgresAddr string    `json:"postgres_addr"`
	DNSAddr      string    `json:"dns_addr"`
	RootCertFile string    `json:"root_cert_file"`
}

// Runtime is what other processes need to use a running server. It contains the
// default user's access token: do not print or log it.
type Runtime struct {
	Process
	Token string `json:"token"`
}

// ErrNotRunning is the error if no local Lakebase runs on a data directory.
var ErrNotRunning = errors.New("no local Lakebase is running")

// ReadRuntime returns the runtime of the server that runs on dataDir. If none
// does, the error is [ErrNotRunning].
func ReadRuntime(dataDir string) (Runtime, error) {
	dirs := dataPaths{dataDir}
	if !locked(dirs.lockFile()) {
		return Runtime{}, fmt.Errorf("%w on %s: start it with lakebase local", ErrNotRunning, dataDir)
	}
	return readRuntimeFile(dirs.runtimeFile())
}

func readRuntimeFile(file string) (Runtime, error) {
	var r Runtime
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%w yet on %s: it is starting or ending", ErrNotRunning, filepath.Dir(file))
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

func (r Runtime) write(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Replace(file, data, 0o600)
}

// alreadyRunning returns the error for a data directory that is locked.
func alreadyRunning(dirs dataPaths) error {
	running := "a local Lakebase is already running"
	if r, err := readRuntimeFile(dirs.runtimeFile()); err == nil {
		running += fmt.Sprintf(" (pid %d, %s)", r.PID, r.WorkspaceURL)
	}
	return fmt.Errorf("%s on %s: use that one, or run another with a data directory of its own (LAKEBASE_LOCAL_DIR) or none (ephemeral)", running, dirs.root)
}

// Status describes a running server. It contains no secret.
type Status struct {
	Process
	Ephemeral   bool             `json:"ephemeral"`
	HostNames   HostNaming       `json:"host_names"`
	User        string           `json:"user"`
	Postgres    string           `json:"postgres_version,omitempty"` // empty with DatabaseURL
	Connections int              `json:"connections"`
	Endpoints   []EndpointStatus `json:"endpoints"`
	Faults      Faults           `json:"faults"`
	Stats       Stats            `json:"stats"`
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

func (s *Server) process() Process {
	return Process{
		PID: os.Getpid(), Started: s.started, DataDir: s.dir.root, WorkspaceURL: s.WorkspaceURL(),
		PostgresAddr: s.PostgresAddr(), DNSAddr: s.DNSAddr(), RootCertFile: s.RootCertFile(),
	}
}

// Status describes the server.
func (s *Server) Status() Status {
	st := Status{
		Process: s.process(), Ephemeral: s.dir.ephemeral, HostNames: s.opts.HostNames, User: s.User(), Postgres: s.ws.PostgresVersion(), Connections: s.front.Connections(""),
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
		es.Product, es.State = "provisioned", rest.InstanceState(e.Branch.Project.Instance)
	} else {
		es.State, _ = rest.EndpointState(e)
	}
	return es
}
