package proxy

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// upstream is a target with its Connector.
type upstream struct {
	address  string
	settings []lakebase.Setting
	*lakebase.Connector
}

// targets are the targets of a proxy, by name.
type targets map[string]upstream

// add adds a target, under its own name if name is empty. It keeps the
// Connector of before, with its token and its server connections, if the
// target's settings are the same.
func (ts targets) add(name, address string, before targets, logger *slog.Logger) (string, error) {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return "", err
	}
	if name == "" {
		name = cfg.Target()
	}
	if _, twice := ts[name]; twice {
		return "", command.UsageError(fmt.Sprintf("target %q is given twice, once as the argument", name), "give one of them another name")
	}
	t := upstream{address: address, settings: cfg.Settings()}
	if former, ok := before[name]; ok && former.address == t.address && reflect.DeepEqual(former.settings, t.settings) {
		t.Connector = former.Connector
	} else {
		cfg.Logger = logger
		if t.Connector, err = lakebase.New(cfg); err != nil {
			return "", err
		}
	}
	ts[name] = t
	return name, nil
}

// closeBut closes the Connectors that are not in others.
func (ts targets) closeBut(others targets) {
	for name, t := range ts {
		if others[name].Connector != t.Connector {
			t.Close()
		}
	}
}

// mainTarget returns the default target, or else the first one, and the
// database name that leads there.
func (c *configuration) mainTarget() (name, database string) {
	if name = c.proxy.DefaultTarget; name == "" {
		name = slices.Min(slices.Collect(maps.Keys(c.targets)))
		return name, name
	}
	return name, cmp.Or(c.targets[name].Database(), name)
}

// makeTargets makes the targets of all sources, and finds the default one.
func (c *configuration) makeTargets(args []string, before targets, logger *slog.Logger) error {
	c.targets = targets{}
	fromFile := false
	for _, name := range c.addresses.names() {
		given := c.addresses.of[name]
		fromFile = fromFile || given.source != settings.FromFlag && !strings.HasPrefix(given.source, settings.FromEnvironment)
		if _, err := c.targets.add(name, given.value, before, logger); err != nil {
			return misplaced(fmt.Sprintf("%s: target %q", c.addresses.where(name), name), err)
		}
	}
	argument := strings.Join(args, "")
	if argument != "" || !fromFile && (len(c.targets) == 0 || environmentNamesTarget()) {
		name, err := c.targets.add("", argument, before, logger)
		if err != nil {
			return err
		}
		c.proxy.DefaultTarget = cmp.Or(c.proxy.DefaultTarget, name)
	}
	if len(c.targets) == 1 {
		c.proxy.DefaultTarget = cmp.Or(c.proxy.DefaultTarget, slices.Collect(maps.Keys(c.targets))[0])
	}
	return nil
}

// environmentNamesTarget reports whether the environment names a target.
func environmentNamesTarget() bool {
	cfg, err := lakebase.ParseConfig("")
	return err != nil || cfg.URL != "" || cfg.Endpoint != "" || cfg.Instance != "" || cfg.Host != ""
}

// hasSecret reports whether an address contains a password. makeTargets reports
// a malformed one.
func hasSecret(address string) bool {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return false
	}
	_, secret := shownAddress(address, cfg.Settings())
	return secret
}

// shownAddress returns an address without its password.
func shownAddress(address string, lines []lakebase.Setting) (shown string, secret bool) {
	for _, s := range lines {
		if s.Secret && s.Source == settings.FromArgument {
			return s.Value, true
		}
	}
	return address, false
}
