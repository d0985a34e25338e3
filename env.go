package lakebase

import (
	"os"
	"strings"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// endpointName is too general a name to insist on: where it holds something
// else than a resource path (a model serving endpoint, say) it is not ours.
const endpointName = "ENDPOINT_NAME"

// lookupEnv returns the first of the setting's variables that is set, with
// the space around its value dropped: secrets in CI often end in a newline.
func (s setting) lookupEnv() (variable, value string) {
	for _, variable := range s.env {
		value := strings.TrimSpace(os.Getenv(variable))
		if value == "" || variable == endpointName && !strings.HasPrefix(value, "projects/") {
			continue
		}
		return variable, value
	}
	return "", ""
}

// checkEnvTarget finds what no single variable shows. Only the environment
// can give both an instance and an endpoint: a target is one address.
func (c *Config) checkEnvTarget() error {
	if c.Instance != "" && c.Endpoint != "" {
		return badConfig(c.variable("instance")+" and "+c.variable("endpoint"),
			"both are set, to "+redact.Quote(c.Instance)+" and "+redact.Quote(c.Endpoint)+": unset one")
	}
	if v := strings.TrimSpace(os.Getenv(endpointName)); v != "" && c.Target() == noTarget {
		return badValue(endpointName, v, checkEndpoint(v))
	}
	return nil
}

// variable returns the variable that name was read from.
func (c *Config) variable(name string) string {
	return strings.TrimPrefix(c.sources[name].from, "environment ")
}

func lookupSetting(name string) setting {
	for _, s := range settings {
		if s.name == name {
			return s
		}
	}
	panic("no setting " + name)
}
