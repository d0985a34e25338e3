package lakebase

import (
	"cmp"
	"os"
	"strings"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// Setting is one line of the configuration in force, with its source. Its JSON is
// what `lakebase env -o json` prints: fields are only ever added.
type Setting struct {
	Name   string `json:"name"`             // as a parameter of a lakebase:// target; databricks.* for the SDK's own
	Value  string `json:"value"`            // in parentheses where it is decided later; a secret in it is hidden
	Source string `json:"source"`           // argument, environment PGHOST, profile NAME, program, or default
	Secret bool   `json:"secret,omitempty"` // a secret was hidden from Value
}

// Settings lists every setting of c, in a fixed order, and after them those
// of the workspace login that are set. It reads ~/.databrickscfg for the latter
// and does no network I/O.
func (c *Config) Settings() []Setting {
	var list []Setting
	for _, s := range c.table() {
		list = append(list, Setting{
			Name:   s.Name,
			Value:  redact.Value(cmp.Or(s.Text(), s.Unset)),
			Source: cmp.Or(s.Source, settings.FromDefault),
		})
	}
	if c.URL != "" {
		c.overlayURL(list)
	}
	return append(list, c.loginSettings()...)
}

// loginSettings lists what the SDK is going to log in with, in its own order
// of precedence: the program, the environment, the profile.
func (c *Config) loginSettings() []Setting {
	profile := c.profileValues()
	var list []Setting
	for i := range sdkconfig.ConfigAttributes {
		a := &sdkconfig.ConfigAttributes[i]
		s := Setting{Name: "databricks." + a.Name, Secret: a.Sensitive}
		switch value, variable := a.ReadEnv(); {
		case a.Name == "profile":
			continue
		case c.Workspace != nil && !a.IsZero(c.Workspace):
			s.Value, s.Source = a.GetString(c.Workspace), settings.FromProgram
		case value != "":
			s.Value, s.Source = value, settings.FromEnvironment+variable
		case profile.values[a.Name] != "":
			s.Value, s.Source = profile.values[a.Name], "profile "+profile.name
		default:
			continue
		}
		if s.Secret {
			s.Value = redact.Placeholder
		}
		list = append(list, s)
	}
	return list
}

// profileSection is a section of ~/.databrickscfg.
type profileSection struct {
	name   string
	values map[string]string
}

// profileValues reads the profile that the SDK would. If it cannot be read, the
// login reports that.
func (c *Config) profileValues() profileSection {
	name := c.Profile
	if name == "" && loginInEnv() {
		return profileSection{}
	}
	file, err := sdkconfig.LoadFile(strings.TrimSpace(os.Getenv("DATABRICKS_CONFIG_FILE")))
	if err != nil {
		return profileSection{}
	}
	if name == "" {
		name = strings.TrimSpace(file.Section("__settings__").Key("default_profile").String())
	}
	if name == "" {
		name = "DEFAULT"
	}
	return profileSection{name, file.Section(name).KeysHash()}
}

// loginInEnv reports whether the environment alone configures the login; then the
// SDK reads the file only if a profile is named.
func loginInEnv() bool {
	for i := range sdkconfig.ConfigAttributes {
		a := &sdkconfig.ConfigAttributes[i]
		if v, _ := a.ReadEnv(); v != "" && (a.HasAuthAttribute() || a.Name == "host" || a.Name == "azure_workspace_resource_id") {
			return true
		}
	}
	return false
}
