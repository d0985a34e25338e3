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

// applyFaults sets each of settings on top of f. A setting is KEY=VALUE, where
// KEY names a field as the JSON does (api.status), or a JSON object with any
// number of fields. A KEY alone stands for KEY=true.
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

// clearFaults ends the faults of one section of f.
func clearFaults(f local.Faults, section string) (local.Faults, error) {
	value := reflect.ValueOf(&f).Elem()
	var sections []string
	for field := range fields(value.Type()) {
		if jsonName(field) == section {
			value.FieldByIndex(field.Index).SetZero()
			return f, nil
		}
		sections = append(sections, jsonName(field))
	}
	return f, command.UsageError(fmt.Sprintf("%q is not a section of the faults", section), "one of "+strings.Join(sections, ", "))
}

// faultDocument turns one setting into JSON.
func faultDocument(setting string) ([]byte, error) {
	if strings.HasPrefix(strings.TrimSpace(setting), "{") {
		return []byte(setting), nil
	}
	key, value, given := strings.Cut(setting, "=")
	if !given {
		value = "true"
	}
	kind, known := faultKeys()[key]
	if !known {
		return nil, command.UsageError(fmt.Sprintf("%q is not a fault", key), "one of "+strings.Join(FaultKeys(), ", "))
	}
	if kind == reflect.String {
		value = quoteJSON(value)
	} else if !json.Valid([]byte(value)) {
		return nil, command.UsageError(fmt.Sprintf("fault %s: %q is not %s", key, value, valueName(kind)), "")
	}
	section, field, _ := strings.Cut(key, ".")
	return fmt.Appendf(nil, "{%s:{%s:%s}}", quoteJSON(section), quoteJSON(field), value), nil
}

// faultKeys are the names of all faults with the kind of JSON value that each
// takes, read from the type itself so that a new fault needs no code here.
func faultKeys() map[string]reflect.Kind {
	keys := map[string]reflect.Kind{}
	for section := range fields(reflect.TypeFor[local.Faults]()) {
		for field := range fields(section.Type) {
			kind := field.Type.Kind()
			if field.Type == reflect.TypeFor[local.Duration]() {
				kind = reflect.String // "1.5s"
			}
			keys[jsonName(section)+"."+jsonName(field)] = kind
		}
	}
	return keys
}

func FaultKeys() []string { return slices.Sorted(maps.Keys(faultKeys())) }

// fields yields the fields of struct type t that JSON sees.
func fields(t reflect.Type) func(yield func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.IsExported() && jsonName(f) != "-" && !yield(f) {
				return
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

func valueName(kind reflect.Kind) string {
	switch kind {
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

func quoteJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string always marshals
	return string(quoted)
}

// faultSettings writes what is in force in f as KEY=VALUE, sorted.
func faultSettings(f local.Faults) ([]string, error) {
	document, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var sections map[string]map[string]json.RawMessage
	if err := json.Unmarshal(document, &sections); err != nil {
		return nil, err
	}
	var settings []string
	for section, values := range sections {
		for field, value := range values {
			text := string(value)
			if err := json.Unmarshal(value, &text); err != nil {
				text = string(value) // a number or a boolean stands as it is
			}
			settings = append(settings, section+"."+field+"="+text)
		}
	}
	slices.Sort(settings)
	return settings, nil
}
