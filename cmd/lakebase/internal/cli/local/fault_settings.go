package local

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/local"
)

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
