package lakebase

import (
	"cmp"
	"log/slog"
	"os"
	"slices"
	"strings"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/pgurl"
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

// String returns the configuration as a target that [ParseConfig] reads,
// without secrets: of a static URL the password is hidden, and how to log in
// to the workspace is left out.
//
// It has a value receiver, as the other methods that print a Config do, so that
// every verb prints pointers and copies in the same way.
func (c Config) String() string {
	if c.URL != "" {
		return c.redactedURL()
	}
	return c.targetURL()
}

// GoString is String: %#v must not show what %v hides.
func (c Config) GoString() string { return "lakebase.Config(" + c.String() + ")" }

// LogValue is String, for handlers that would encode the fields.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// targetURL writes the configuration as a lakebase:// target.
func (c *Config) targetURL() string {
	where, inAddress := redact.Value(c.Instance), map[string]bool{"user": true, "database": true}
	switch {
	case c.Endpoint != "":
		where = redact.Value(c.Endpoint)
	case c.Instance == "" && isServiceHost(c.Host):
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

// redactedURL returns the static URL for people to read.
func (c *Config) redactedURL() string {
	given, err := pgurl.Parse(c.URL)
	if err != nil || given.CheckHosts() != nil {
		return redact.Value(c.URL) // which part of it is the password is unknown
	}
	return given.WithoutSecrets("xxxxx").String()
}

// overlayURL replaces the values that the static URL overrides in list.
func (c *Config) overlayURL(list []Setting) {
	given, err := pgurl.Parse(c.URL)
	var full pgurl.Params
	if err == nil {
		full, err = given.Complete(c.urlDefaults())
	}
	if err != nil {
		given, full = nil, nil
	}
	from := ""
	for i := range list {
		switch line := &list[i]; {
		case line.Name == "url":
			line.Value, line.Secret, from = c.redactedURL(), err != nil || given.HasSecret(), line.Source
		case !slices.Contains(urlSettings, line.Name):
		case given[line.Name] != "":
			line.Value, line.Source = full[line.Name], from
		case line.Source == settings.FromDefault:
			line.Value = full[line.Name]
		}
	}
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
