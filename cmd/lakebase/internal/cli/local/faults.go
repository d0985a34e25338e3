package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newFaultsCommand(std *terminal.Streams, dir *dataDir) *cobra.Command {
	var output command.Output
	cmd := &cobra.Command{
		Use:   "faults",
		Short: "Print, set and clear faults",
		Example: `  lakebase local faults
  lakebase local faults set api.status=503 api.remaining=3
  lakebase local faults set login.kind=expired
  lakebase local faults clear`,
		Long: `Prints the faults in force as lines of KEY=VALUE. A duration is written 1.5s; a
key alone, such as api.hang, means true.

` + ansi.Wordwrap("Keys: "+strings.Join(FaultKeys(), ", "), 79, ""),
		Args: command.NoSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changeFaults(cmd.Context(), std, dir, output, nil)
		},
	}
	set := &cobra.Command{
		Use:   "set KEY=VALUE...",
		Short: "Add faults to those in force",
		Long: `Adds faults to those in force, and prints all of them as lines of KEY=VALUE.
"lakebase local faults --help" lists the keys.`,
		Example: `  lakebase local faults set api.status=503 api.remaining=3
  lakebase local faults set network.latency=200ms
  lakebase local faults set api.hang`,
		ValidArgs: FaultKeys(),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.UsageError("faults set takes KEY=VALUE, got nothing", "for example api.status=503")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeFaults(cmd.Context(), std, dir, output, func(f local.Faults) (local.Faults, error) {
				return applyFaults(f, args)
			})
		},
	}
	clearAll := &cobra.Command{
		Use:   "clear [SECTION]",
		Short: "End all faults, or those of a section",
		Long: `Ends all faults, or those of a section: api, tokens, login, dns, network or
tls. Prints the remaining ones as lines of KEY=VALUE.`,
		Example: "  lakebase local faults clear\n  lakebase local faults clear api",
		Args:    command.AtMostOneArgument("section"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeFaults(cmd.Context(), std, dir, output, func(f local.Faults) (local.Faults, error) {
				if len(args) == 0 {
					return local.Faults{}, nil
				}
				return clearFaults(f, args[0])
			})
		},
	}
	output.AddFlag(cmd)
	output.AddFlag(set)
	output.AddFlag(clearAll)
	cmd.AddCommand(set, clearAll)
	return cmd
}

// changeFaults replaces the faults in force by change(faults), if change is not
// nil, and prints them.
func changeFaults(ctx context.Context, std *terminal.Streams, dir *dataDir, output command.Output, change func(local.Faults) (local.Faults, error)) error {
	c, err := dir.control()
	if err != nil {
		return err
	}
	var faults local.Faults
	if err := c.call(ctx, http.MethodGet, "faults", nil, &faults); err != nil {
		return err
	}
	if change != nil {
		changed, err := change(faults)
		if err != nil {
			return err
		}
		faults = local.Faults{} // the reply has no field for a fault that is not in force
		if err := c.call(ctx, http.MethodPut, "faults", changed, &faults); err != nil {
			return err
		}
	}
	if output.JSON() {
		return std.PrintJSON(faults)
	}
	settings := faults.Settings()
	for _, s := range settings {
		fmt.Fprintln(std.Out, s)
	}
	if len(settings) == 0 {
		fmt.Fprintln(std.Err, "no faults are in force")
	}
	return nil
}

// applyFaults adds settings to f. A setting is KEY=VALUE, where KEY names a
// field as JSON does (api.status), KEY for KEY=true, or a JSON object.
func applyFaults(f local.Faults, settings []string) (local.Faults, error) {
	for _, setting := range settings {
		if strings.HasPrefix(strings.TrimSpace(setting), "{") {
			if err := decodeFaults([]byte(setting), &f); err != nil {
				return f, command.UsageError(fmt.Sprintf("faults %s: %v", setting, err), "see lakebase local faults --help")
			}
			continue
		}
		key, value, given := strings.Cut(setting, "=")
		if !given {
			value = "true"
		}
		if !slices.Contains(FaultKeys(), key) {
			return f, command.UsageError(fmt.Sprintf("%q is not a fault", key), "one of "+strings.Join(FaultKeys(), ", "))
		}
		// A number or truth value stands in JSON as it is, a word in quotes.
		section, field, _ := strings.Cut(key, ".")
		plain, err := json.Marshal(map[string]any{section: map[string]any{field: json.RawMessage(value)}})
		if err == nil {
			err = decodeFaults(plain, &f)
		}
		if err != nil {
			quoted, _ := json.Marshal(map[string]any{section: map[string]any{field: value}}) // strings have no error
			err = decodeFaults(quoted, &f)
		}
		if err != nil {
			return f, command.UsageError(fmt.Sprintf("fault %s cannot be %q", key, value), "a number, true or false, a word, or a duration such as 1.5s")
		}
	}
	return f, nil
}

// decodeFaults adds the faults of a JSON object to f, or none if it has a mistake.
func decodeFaults(document []byte, f *local.Faults) error {
	changed := *f
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&changed)
	if err == nil {
		*f = changed
	}
	return err
}

// clearFaults ends the faults of one section of f.
func clearFaults(f local.Faults, section string) (local.Faults, error) {
	value := reflect.ValueOf(&f).Elem()
	var sections []string
	for _, field := range reflect.VisibleFields(value.Type()) {
		if jsonName(field) == section {
			value.FieldByIndex(field.Index).SetZero()
			return f, nil
		}
		sections = append(sections, jsonName(field))
	}
	return f, command.UsageError(fmt.Sprintf("%q is not a section of the faults", section), "one of "+strings.Join(sections, ", "))
}

// FaultKeys are the keys of all faults, sorted. They are read from the type, so
// that a new fault needs no code here.
func FaultKeys() []string {
	var keys []string
	for _, section := range reflect.VisibleFields(reflect.TypeFor[local.Faults]()) {
		for _, field := range reflect.VisibleFields(section.Type) {
			keys = append(keys, jsonName(section)+"."+jsonName(field))
		}
	}
	slices.Sort(keys)
	return keys
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}
