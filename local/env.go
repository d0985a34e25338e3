package local

import (
	"strconv"

	"github.com/lakebase-go/lakebase/local/internal/hosts"
)

// EnvVar is an environment variable for clients of a server.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Env returns the variables with which a client connects to target: the name of
// an instance or project, a resource path of an endpoint whose end may be
// omitted, or "" for the default. They include the workspace's credentials, so
// that a configuration profile of the user has no effect.
func (s *Server) Env(target string) ([]EnvVar, error) {
	s.ws.Lock()
	defer s.ws.Unlock()
	e, err := s.ws.State.Target(target)
	if err != nil {
		return nil, err
	}
	named := EnvVar{"LAKEBASE_ENDPOINT", e.Title()}
	if e.Provisioned() {
		named.Name = "LAKEBASE_INSTANCE_NAME"
	}
	vars := []EnvVar{
		{"DATABRICKS_HOST", s.WorkspaceURL()},
		{"DATABRICKS_TOKEN", s.ws.State.Owner().Secret},
		{"DATABRICKS_AUTH_TYPE", "pat"},
		named,
		{"PGSSLROOTCERT", s.RootCertFile()},
	}
	host, _ := s.hosts.Host(e.Key, hosts.Main)
	if port := host.Addr.Port(); port != 5432 {
		vars = append(vars, EnvVar{"PGPORT", strconv.Itoa(int(port))})
	}
	if s.opts.HostNames == ServiceNames {
		vars = append(vars, EnvVar{"LAKEBASE_DNS_SERVERS", s.DNSAddr()})
	}
	return vars, nil
}
