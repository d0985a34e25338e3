package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
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
	settings, err := faultSettings(faults)
	if err != nil {
		return err
	}
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
		document, err := faultDocument(setting)
		if err != nil {
			return f, err
		}
		decoder := json.NewDecoder(bytes.NewReader(document))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&f); err != nil {
			return f, command.UsageError(fmt.Sprintf("fault %q: %v", setting, err), "a number, true or false, a word, or a duration such as 1.5s")
		}
	}
	return f, nil
}

// faultDocument returns a setting as JSON.
func faultDocument(setting string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(setting), "{") {
		return []byte(setting), nil
	}
	key, value, given := strings.Cut(setting, "=")
	if !given {
		value = "true"
	}
	kind, known := faultKinds()[key]
	if !known {
		return nil, command.UsageError(fmt.Sprintf("%q is not a fault", key), "one of "+strings.Join(FaultKeys(), ", "))
	}
	switch {
	case kind == "":
		value = quoteJSON(value)
	case !json.Valid([]byte(value)):
		return nil, command.UsageError(fmt.Sprintf("fault %s: %q is not %s", key, value, kind), "")
	}
	section, field, _ := strings.Cut(key, ".")
	return fmt.Appendf(nil, "{%s:{%s:%s}}", quoteJSON(section), quoteJSON(field), value), nil
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

// FaultKeys are the keys of all faults, sorted.
func FaultKeys() []string { return slices.Sorted(maps.Keys(faultKinds())) }

// faultKinds describes the value of each fault by its key, and is empty for a
// JSON string. It reads the type itself, so that a new fault needs no code here.
func faultKinds() map[string]string {
	kinds := map[string]string{}
	for _, section := range reflect.VisibleFields(reflect.TypeFor[local.Faults]()) {
		for _, field := range reflect.VisibleFields(section.Type) {
			kind := "a whole number"
			switch {
			case field.Type == reflect.TypeFor[local.Duration](), field.Type.Kind() == reflect.String:
				kind = "" // a duration is "1.5s"
			case field.Type.Kind() == reflect.Bool:
				kind = "true or false"
			case field.Type.Kind() == reflect.Float64:
				kind = "a number"
			}
			kinds[jsonName(section)+"."+jsonName(field)] = kind
		}
	}
	return kinds
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func quoteJSON(text string) string {
	quoted, _ := json.Marshal(text) // strings have no error
	return string(quoted)
}

// faultSettings returns the faults of f as KEY=VALUE, sorted.
func faultSettings(f local.Faults) ([]string, error) {
	document, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var sections map[string]map[string]any
	decoder := json.NewDecoder(bytes.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&sections); err != nil {
		return nil, err
	}
	var settings []string
	for section, values := range sections {
		for field, value := range values {
			settings = append(settings, fmt.Sprintf("%s.%s=%v", section, field, value))
		}
	}
	slices.Sort(settings)
	return settings, nil
}
