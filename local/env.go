package local

import (
	"net/netip"
	"strconv"
)

// EnvVar is one variable that a client of this server sets.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Env is everything a client needs to connect to target: an instance name,
// a project or endpoint path, or "" for the default instance. It says how to
// log in to the workspace, so that a client's own profile does not interfere.
func (s *Server) Env(target string) ([]EnvVar, error) {
	s.ws.mu.Lock()
	defer s.ws.mu.Unlock()
	e, err := s.ws.target(target)
	if err != nil {
		return nil, err
	}
	named := EnvVar{"LAKEBASE_ENDPOINT", ""}
	if e.provisioned() {
		named = EnvVar{"LAKEBASE_INSTANCE_NAME", e.title()}
	} else {
		named.Value = e.name()
	}
	_, addr, _ := s.ws.hosts.address(e, doorMain)
	vars := []EnvVar{
		{"DATABRICKS_HOST", s.WorkspaceURL()},
		{"DATABRICKS_TOKEN", s.ws.state.owner().Secret},
		{"DATABRICKS_AUTH_TYPE", "pat"},
		named,
		{"PGSSLROOTCERT", s.RootCertFile()},
	}
	if port := portOf(addr); port != "5432" {
		vars = append(vars, EnvVar{"PGPORT", port})
	}
	if s.opts.HostNames == ServiceNames {
		vars = append(vars, EnvVar{"LAKEBASE_DNS_SERVERS", s.DNSAddr()})
	}
	return vars, nil
}

func portOf(addr netip.AddrPort) string { return strconv.Itoa(int(addr.Port())) }
