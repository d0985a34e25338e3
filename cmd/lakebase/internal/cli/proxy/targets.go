package proxy

import (
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/proxy"
)

// upstream is a target that is ready to be connected to.
type upstream struct {
	address  string
	settings []lakebase.Setting
	*lakebase.Connector
}

// targets are those of a proxy, by name.
type targets map[string]upstream

// add adds a target, under its own name where none is given. It takes over the
// Connector of the one that it had before if nothing about it has changed: that
// has a token, and server connections.
func (ts targets) add(name, address string, before targets, logger *slog.Logger) (string, error) {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return "", err
	}
	if name == "" {
		name = cfg.Target()
	}
	if _, twice := ts[name]; twice {
		return "", command.UsageError(fmt.Sprintf("the target %q is given twice, once as the argument", name), "give one of them another name")
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

// closeBut closes the Connectors that others do not have.
func (ts targets) closeBut(others targets) {
	for name, t := range ts {
		if others[name].Connector != t.Connector {
			t.Close()
		}
	}
}

func (ts targets) connectors() map[string]*lakebase.Connector {
	connectors := make(map[string]*lakebase.Connector, len(ts))
	for name, t := range ts {
		connectors[name] = t.Connector
	}
	return connectors
}

// mainTarget is where a proxy leads by default, or the first of its targets.
type mainTarget struct {
	name     string
	database string // to name as a client
}

// defaultOf is the default target, "" if there is none.
func (ts targets) defaultOf(cfg proxy.Config) string {
	if cfg.DefaultTarget == "" && len(ts) == 1 {
		return slices.Collect(maps.Keys(ts))[0]
	}
	return cfg.DefaultTarget
}

// main says where clients end up who just paste what they are told.
func (ts targets) main(cfg proxy.Config) mainTarget {
	name := ts.defaultOf(cfg)
	if name == "" {
		first := slices.Min(slices.Collect(maps.Keys(ts)))
		return mainTarget{name: first, database: first}
	}
	database := ts[name].Database()
	if database == "" {
		database = name
	}
	return mainTarget{name: name, database: database}
}

// setTargets finds the targets of all sources, and which one is the default.
func (s *settings) setTargets(args []string, before targets, logger *slog.Logger) (_ targets, err error) {
	ts := targets{}
	defer func() {
		if err != nil {
			ts.closeBut(before)
		}
	}()
	fromFile := false
	for _, name := range slices.Sorted(maps.Keys(s.targetsGiven.of)) {
		given := s.targetsGiven.of[name]
		fromFile = fromFile || given.source != fromFlag && !strings.HasPrefix(given.source, fromEnvironment)
		if _, err := ts.add(name, given.value, before, logger); err != nil {
			return nil, misplaced(fmt.Sprintf("%s: target %q", place("target", given.source), name), err)
		}
	}
	argument := strings.Join(args, "")
	if argument == "" && (fromFile || len(ts) > 0 && !environmentNamesTarget()) {
		return ts, s.checkNames(ts)
	}
	name, err := ts.add("", argument, before, logger)
	if err != nil {
		return nil, err
	}
	if s.config.DefaultTarget == "" {
		s.config.DefaultTarget = name
	}
	return ts, s.checkNames(ts)
}

// environmentNamesTarget reports whether there is a target without an argument.
func environmentNamesTarget() bool {
	cfg, err := lakebase.ParseConfig("")
	return err != nil || cfg.URL != "" || cfg.Endpoint != "" || cfg.Instance != "" || cfg.Host != ""
}

// hasSecret reports whether an address holds a password.
func hasSecret(address string) bool {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return false // which is reported where the target is made
	}
	return slices.ContainsFunc(cfg.Settings(), func(s lakebase.Setting) bool { return s.Secret && s.Source == "argument" })
}

// shownAddress is an address without its secret.
func shownAddress(address string, settings []lakebase.Setting) (shown string, secret bool) {
	for _, s := range settings {
		if s.Secret && s.Source == "argument" {
			return s.Value, true
		}
	}
	return address, false
}
