package local

import (
	"cmp"
	"context"
	"errors"
	"strconv"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
	"github.com/lakebase-go/lakebase/local/internal/model"
)

// Principal is an identity of the workspace with its secret.
type Principal = model.Principal

// Principals returns the identities of the workspace, the default user first.
func (s *Server) Principals() []*Principal { return s.ws.State.Principals.All() }

// CreatePrincipal returns the principal with that name, which it creates if there
// is none: a user with an access token for an email address, or else a service
// principal with a client secret. It has no Postgres role.
func (s *Server) CreatePrincipal(name string) (*Principal, error) {
	p, err := s.ws.State.Principals.Create(name)
	if err != nil {
		return nil, err
	}
	return p, s.ws.Save()
}

// EnvVar is an environment variable for clients of a server. One without a value
// must not be set, as it would contradict the others.
type EnvVar struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Env returns the variables with which a client connects to target: the name of
// an instance or project, a resource path of an endpoint whose end may be
// omitted, or "" for the default. They include the default user's credentials.
func (s *Server) Env(target string) ([]EnvVar, error) { return s.EnvAs("", target) }

// EnvAs is Env for another principal, by its name; "" is the default user.
func (s *Server) EnvAs(principal, target string) ([]EnvVar, error) {
	p, err := s.principalNamed(principal)
	if err != nil {
		return nil, err
	}
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
	vars := append(s.loginVars(p), named)
	host, _ := s.hosts.Host(e.Key, hosts.Main)
	return append(vars, s.addressVars(host)...), nil
}

func (s *Server) principalNamed(name string) (*Principal, error) {
	for _, p := range s.Principals() {
		if name == "" || p.Name == name || p.Display == name {
			return p, nil
		}
	}
	return nil, apierror.Invalid("there is no principal %s: create it with lakebase local principals create", name)
}

// loginVars log p in to the workspace.
func (s *Server) loginVars(p *Principal) []EnvVar {
	host := EnvVar{"DATABRICKS_HOST", s.WorkspaceURL()}
	if p.Kind == model.ServicePrincipal {
		return []EnvVar{host, {"DATABRICKS_CLIENT_ID", p.Name}, {"DATABRICKS_CLIENT_SECRET", p.Secret}, {"DATABRICKS_TOKEN", ""}}
	}
	return []EnvVar{host, {"DATABRICKS_TOKEN", p.Secret}}
}

// addressVars lead clients to a host and make them trust it.
func (s *Server) addressVars(host hosts.Binding) []EnvVar {
	vars := []EnvVar{{"PGSSLROOTCERT", s.RootCertFile()}}
	if port := host.Addr.Port(); port != 5432 {
		vars = append(vars, EnvVar{"PGPORT", strconv.Itoa(int(port))})
	}
	if s.opts.HostNames == ServiceNames {
		vars = append(vars, EnvVar{"LAKEBASE_DNS_SERVERS", s.DNSAddr()})
	}
	if s.opts.RESTTLS { // what programs of Go, Node and Python trust
		for _, name := range []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"} {
			vars = append(vars, EnvVar{name, s.RootCertFile()})
		}
	}
	return vars
}

// App returns the variables that a Databricks App named name finds when target
// (see Env) is its database resource: those of its own service principal, and PG*
// without a password. The principal's Postgres role has CONNECT and CREATE on the
// database and nothing else, and is administered by the default user; both are created
// if they do not exist. An empty database is databricks_postgres.
func (s *Server) App(ctx context.Context, name, target, database string) ([]EnvVar, error) {
	database = cmp.Or(database, compute.DefaultDatabase)
	p, err := s.CreatePrincipal(name)
	if err != nil {
		return nil, err
	}
	if p.Kind != model.ServicePrincipal {
		return nil, errors.New(name + " is a user: an app has a service principal, whose name is no email address")
	}
	e, err := s.ws.Lookup(target)
	if err == nil {
		err = e.Branch.Compute.CreateApp(ctx, p.Name, s.User(), database)
	}
	if err != nil {
		return nil, apierror.FromPostgres(err)
	}
	host, _ := s.hosts.Host(e.Key, hosts.Main)
	vars := append(s.loginVars(p),
		EnvVar{"DATABRICKS_APP_NAME", name},
		EnvVar{"PGAPPNAME", name}, EnvVar{"PGDATABASE", database}, EnvVar{"PGHOST", host.Host}, EnvVar{"PGSSLMODE", "require"}, EnvVar{"PGUSER", p.Name},
		EnvVar{"LAKEBASE_INSTANCE_NAME", ""}, EnvVar{"LAKEBASE_ENDPOINT", ""},
	)
	return append(vars, s.addressVars(host)...), nil
}
