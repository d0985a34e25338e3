package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// upstream is a target with its Connector.
type upstream struct {
	address  string
	config   *lakebase.Config
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
	t := upstream{address: address, config: cfg, settings: cfg.Settings()}
	if former, ok := before[name]; ok && former.address == t.address && slices.Equal(former.settings, t.settings) {
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

// lookup looks the targets up in the workspace, without their databases.
func (ts targets) lookup(ctx context.Context, std *terminal.Streams) error {
	limited, cancel := context.WithTimeout(ctx, target.LookupTimeout) // for all of them
	defer cancel()
	for _, name := range slices.Sorted(maps.Keys(ts)) {
		t := ts[name]
		if err := target.Lookup(limited, std, t.config, t.Connector); err != nil {
			return command.InterruptedOr(ctx, err)
		}
	}
	return nil
}

// closeBut closes the Connectors that are not in others.
func (ts targets) closeBut(others targets) {
	for name, t := range ts {
		if others[name].Connector != t.Connector {
			t.Close()
		}
	}
}

// environmentNamesTarget reports whether the environment names a target.
func environmentNamesTarget() bool {
	cfg, err := lakebase.ParseConfig("")
	return err != nil || cfg.URL != "" || cfg.Endpoint != "" || cfg.Instance != "" || cfg.Host != ""
}
