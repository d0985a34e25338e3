package proxy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/settings"
)

// assignments is a setting with a value for each of several names. A source
// with higher precedence replaces values name by name.
type assignments struct {
	name         string // of the setting
	section, key string // in a file
	form         string // of one item, as help has it: NAME=TARGET
	lists        bool   // the values are names, separated by commas
	of           map[string]assigned
}

// assigned is a value and its source.
type assigned struct{ value, source string }

// placeholder is the value of the setting in a table. Only its type counts.
func (a *assignments) placeholder() settings.Value {
	return settings.NewValue(a.form, nil, func() string { return "" })
}

// add reads NAME=VALUE.
func (a *assignments) add(text, source string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || value == "" {
		return errors.New("want " + a.form)
	}
	if a.of[name].source == source {
		return fmt.Errorf("%q is given twice", name)
	}
	return a.assign(name, value, source)
}

func (a *assignments) assign(name, value, source string) error {
	if a.lists {
		if _, err := settings.SplitNames(value); err != nil {
			return err
		}
	}
	if a.of == nil {
		a.of = map[string]assigned{}
	}
	a.of[name] = assigned{value, source}
	return nil
}

// names returns the names that have a value, in order.
func (a *assignments) names() []string { return slices.Sorted(maps.Keys(a.of)) }

// namesOf returns the values of lists.
func (a *assignments) namesOf() map[string][]string {
	lists := make(map[string][]string, len(a.of))
	for name, given := range a.of {
		lists[name], _ = settings.SplitNames(given.value) // checked as it was assigned
	}
	return lists
}

// secretIn says what secret a value holds that only its owner may read, or "".
// A SCRAM verifier can check a password but not log in.
func (a *assignments) secretIn(name, value string) string {
	if a.key == "password" && !strings.HasPrefix(value, "SCRAM-SHA-256$") {
		return fmt.Sprintf("the password of %q", name)
	}
	if a.key == "address" {
		if _, secret := shownAddress(value); secret {
			return "the password of a static URL"
		}
	}
	return ""
}

// report lists the values, without passwords.
func (a *assignments) report() (list []lakebase.Setting) {
	for _, name := range a.names() {
		r := lakebase.Setting{Name: a.name + " " + name, Value: a.of[name].value, Source: a.of[name].source}
		if r.Secret = a.key == "password"; r.Secret {
			r.Value = redact.Placeholder
		}
		list = append(list, r)
	}
	return list
}

// shownAddress returns an address without its password, if it has one.
// makeTargets reports a malformed address.
func shownAddress(address string) (shown string, secret bool) {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return address, false
	}
	for _, s := range cfg.Settings() {
		if s.Secret && s.Source == settings.FromArgument {
			return s.Value, true
		}
	}
	return address, false
}
