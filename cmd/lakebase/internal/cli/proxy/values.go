package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy"
)

// What the settings of `lakebase proxy` are written as, in flags, variables and
// files alike. Set explains what would be right; its caller adds which setting
// it is and what its value was.

// longestTime is the longest that makes sense for any setting.
const longestTime = 7 * 24 * time.Hour

// addressValue is a TCP address to listen on, or none.
type addressValue struct{ address *string }

func (v addressValue) String() string {
	if v.address == nil {
		return ""
	}
	return *v.address
}

func (v addressValue) Set(text string) error {
	if _, _, err := net.SplitHostPort(text); err != nil && text != "none" {
		return errors.New("want host:port, or none")
	}
	*v.address = text
	return nil
}

func (v addressValue) Type() string { return "address" }

// countValue is a whole number that is not negative.
type countValue struct {
	n     *int
	least int
}

func (v countValue) String() string {
	if v.n == nil {
		return ""
	}
	return strconv.Itoa(*v.n)
}

func (v countValue) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < v.least {
		return fmt.Errorf("want a whole number, %d or more", v.least)
	}
	*v.n = n
	return nil
}

func (v countValue) Type() string { return "number" }

// timeValue is a time, in seconds where it has no unit.
type timeValue struct {
	d      *time.Duration
	orZero bool // zero has a meaning
}

func (v timeValue) String() string {
	if v.d == nil {
		return ""
	}
	if *v.d == 0 {
		return "0"
	}
	text := v.d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

func (v timeValue) Set(text string) error {
	d, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		d, err = time.Duration(seconds*float64(time.Second)), nil
		if seconds > longestTime.Seconds() || seconds != seconds {
			d = longestTime + 1
		}
	}
	if err != nil || d < 0 || d == 0 && !v.orZero || d > longestTime {
		least := "more than 0"
		if v.orZero {
			least = "0 or more"
		}
		return fmt.Errorf("want seconds, or a time such as 90s or 1h, %s and at most 168h", least)
	}
	*v.d = d
	return nil
}

func (v timeValue) Type() string { return "time" }

// switchValue is on or off.
type switchValue struct{ on *bool }

func (v switchValue) String() string { return strconv.FormatBool(v.on != nil && *v.on) }

func (v switchValue) Set(text string) error {
	switch strings.ToLower(text) {
	case "true", "on", "yes", "1":
		*v.on = true
	case "false", "off", "no", "0":
		*v.on = false
	default:
		return errors.New("want true or false")
	}
	return nil
}

func (v switchValue) Type() string     { return "bool" }
func (v switchValue) IsBoolFlag() bool { return true }

// choiceValue is one of a few words.
type choiceValue struct {
	chosen *string
	of     []string
}

func (v choiceValue) String() string {
	if v.chosen == nil {
		return ""
	}
	return *v.chosen
}

func (v choiceValue) Set(text string) error {
	if !slices.Contains(v.of, text) {
		return errors.New("want " + strings.Join(v.of, " or "))
	}
	*v.chosen = text
	return nil
}

func (v choiceValue) Type() string { return "word" }

func modeValue(mode *string) choiceValue {
	return choiceValue{mode, []string{string(proxy.SessionMode), string(proxy.TransactionMode)}}
}

// levelValue is what to log.
type levelValue struct{ level *slog.Level }

func (v levelValue) String() string {
	if v.level == nil {
		return ""
	}
	return strings.ToLower(v.level.String())
}

func (v levelValue) Set(text string) error {
	if err := v.level.UnmarshalText([]byte(text)); err != nil {
		return errors.New("want debug, info, warn or error")
	}
	return nil
}

func (v levelValue) Type() string { return "level" }

// listValue is names, separated by commas.
type listValue struct{ names *[]string }

func (v listValue) String() string {
	if v.names == nil {
		return ""
	}
	return strings.Join(*v.names, ",")
}

// Set adds names, so that a flag can be repeated.
func (v listValue) Set(text string) error {
	names, err := splitNames(text)
	if err != nil {
		return err
	}
	*v.names = append(*v.names, names...)
	return nil
}

func (v listValue) Type() string { return "names" }

func splitNames(text string) ([]string, error) {
	names := strings.Split(text, ",")
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); names[i] == "" {
			return nil, errors.New("want names, separated by commas")
		}
	}
	return names, nil
}

// assigned is what one name is given, and where.
type assigned struct{ value, source string }

// assignments are NAME=VALUE, each in a flag of its own. A source that comes
// later overrides a former one, name by name.
type assignments struct {
	of    map[string]assigned
	kind  string   // what is wanted
	lists bool     // the right sides are names, separated by commas
	flags []string // what the command line has, as it is: it may hold secrets
}

func (v *assignments) String() string { return "" }

// Set leaves it to whoever takes the flags to find mistakes: the error of a
// flag shows its value.
func (v *assignments) Set(text string) error {
	v.flags = append(v.flags, text)
	return nil
}

// add takes NAME=VALUE.
func (v *assignments) add(text, source string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" || value == "" {
		return errors.New("want " + v.kind)
	}
	return v.assign(name, value, source)
}

func (v *assignments) assign(name, value, source string) error {
	if former, ok := v.of[name]; ok && former.source == source {
		return fmt.Errorf("%q is given twice", name)
	}
	if v.lists {
		if _, err := splitNames(value); err != nil {
			return err
		}
	}
	if v.of == nil {
		v.of = map[string]assigned{}
	}
	v.of[name] = assigned{value, source}
	return nil
}

func (v *assignments) Type() string { return v.kind }

// namesOf are the lists of v.
func (v *assignments) namesOf() map[string][]string {
	if len(v.of) == 0 {
		return nil
	}
	lists := make(map[string][]string, len(v.of))
	for name, given := range v.of {
		lists[name], _ = splitNames(given.value) // as it was when it was assigned
	}
	return lists
}
