package lakebase

import (
	"errors"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/address"
	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// parseTarget reads the address grammar of the package documentation.
func parseTarget(target string) (address.Arguments, error) {
	args, err := address.Parse(target, paramNames())
	if e := (*address.Error)(nil); errors.As(err, &e) {
		return nil, badConfig(e.Label, e.Message)
	}
	return args, err
}

// paramNames are the settings that may follow the question mark: all that
// are not the address itself.
func paramNames() []string {
	var names []string
	for _, name := range new(Config).table().Names() {
		if !slices.Contains([]string{"url", "instance", "endpoint"}, name) {
			names = append(names, name)
		}
	}
	return names
}

// targetURL writes the configuration as a lakebase:// target.
func (c *Config) targetURL() string {
	where, inAddress := redact.Value(c.Instance), map[string]bool{"user": true, "database": true}
	switch {
	case c.Endpoint != "":
		where = redact.Value(c.Endpoint)
	case c.Instance == "" && address.IsServiceHost(c.Host):
		where, inAddress["host"] = c.Host, true
	}
	if where == "" {
		inAddress = nil
	} else {
		if c.User != "" {
			where = pgurl.Escape(c.User) + "@" + where
		}
		if c.Database != "" && c.Endpoint != "" {
			where += "/databases"
		}
		if c.Database != "" {
			where += "/" + pgurl.Escape(c.Database)
		}
	}
	var params []string
	table := c.table()
	for _, name := range paramNames() {
		if v := table.Lookup(name).Value.String(); v != "" && !inAddress[name] {
			params = append(params, name+"="+pgurl.Escape(v))
		}
	}
	if len(params) > 0 {
		where += "?" + strings.Join(params, "&")
	}
	return "lakebase://" + where
}
