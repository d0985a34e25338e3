package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Value reads and writes one field of a configuration. It is a pflag.Value.
type Value struct {
	kind string
	set  func(text string) error
	get  func() string
}

// NewValue returns a value that set reads and get writes. get returns "" for
// the zero value of the field.
func NewValue(kind string, set func(text string) error, get func() string) Value {
	return Value{kind, set, get}
}

// Set reads text into the field. The error says what would be right.
func (v Value) Set(text string) error { return v.set(text) }

// String writes the field as Set reads it, or "" if it is zero.
func (v Value) String() string {
	if v.get == nil {
		return "" // of the zero Value, which pflag compares defaults with
	}
	return v.get()
}

// Type says in one word what the value is.
func (v Value) Type() string { return v.kind }

// Text is any text that check, which may be nil, lets pass.
func Text(field *string, check func(string) error) Value {
	return Value{"string", func(text string) error {
		if check != nil {
			if err := check(text); err != nil {
				return err
			}
		}
		*field = text
		return nil
	}, func() string { return *field }}
}

// NoLimit is the most of a Number that has no upper limit.
const NoLimit = math.MaxInt32

// Number is a whole number.
func Number[N int | uint16](field *N, least, most int) Value {
	return Value{"number", func(text string) error {
		n, err := strconv.Atoi(text)
		switch {
		case (err != nil || n < least || n > most) && most == NoLimit:
			return fmt.Errorf("want a whole number, %d or more", least)
		case err != nil || n < least || n > most:
			return fmt.Errorf("want a whole number from %d to %d", least, most)
		}
		*field = N(n)
		return nil
	}, func() string {
		if *field == 0 {
			return ""
		}
		return strconv.Itoa(int(*field))
	}}
}

// Longest is the longest time that makes sense for any setting.
const Longest = 7 * 24 * time.Hour

// Duration is a time from least to most. It is read as seconds or with a unit,
// and written in seconds. Where unlimited says what -1 stands for, as it does
// to SQLAlchemy, -1 means no limit and is a negative field.
func Duration(field *time.Duration, least, most time.Duration, unlimited string) Value {
	return Value{"time", func(text string) error {
		d, err := parseDuration(text)
		switch {
		case err == nil && d >= least && d <= most:
			*field = d
			return nil
		case unlimited == "":
			return fmt.Errorf("want seconds, or a time such as 90s or 1h, from %s to %s seconds", formatSeconds(least), formatSeconds(most))
		case text != "-1":
			return fmt.Errorf("want seconds, or a time such as 90s or 1h, from %s to %s seconds, or -1 %s", formatSeconds(least), formatSeconds(most), unlimited)
		}
		*field = -1
		return nil
	}, func() string {
		switch {
		case *field == 0:
			return ""
		case *field < 0 && unlimited != "":
			return "-1"
		}
		return formatSeconds(*field)
	}}
}

// parseDuration reads seconds, with or without a fraction, or a time with a
// unit.
func parseDuration(text string) (time.Duration, error) {
	if text == "" || strings.Trim(text, "-.0123456789") != "" {
		return time.ParseDuration(text)
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(seconds) > 1e9 {
		return 0, strconv.ErrRange
	}
	return time.Duration(math.Round(seconds * float64(time.Second))), nil
}

func formatSeconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// Bool is true or false.
func Bool(field *bool) Value {
	return Value{"bool", func(text string) error {
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			*field = true
		case "false", "0", "no", "off":
			*field = false
		default:
			return errors.New("want true or false")
		}
		return nil
	}, func() string {
		if !*field {
			return ""
		}
		return "true"
	}}
}

// Word is one of a few words.
func Word[W ~string](field *W, words ...W) Value {
	return Value{"word", func(text string) error {
		if !slices.Contains(words, W(text)) {
			known := make([]string, len(words))
			for i, w := range words {
				known[i] = string(w)
			}
			return errors.New("want " + strings.Join(known, " or "))
		}
		*field = W(text)
		return nil
	}, func() string { return string(*field) }}
}

// Names is a list of names, separated by commas.
func Names(field *[]string) Value {
	return Value{"names", func(text string) (err error) {
		*field, err = SplitNames(text)
		return err
	}, func() string { return strings.Join(*field, ",") }}
}

// SplitNames reads names that commas separate. None may be empty.
func SplitNames(text string) ([]string, error) {
	names := strings.Split(text, ",")
	for i := range names {
		if names[i] = strings.TrimSpace(names[i]); names[i] == "" {
			return nil, errors.New("want names, separated by commas")
		}
	}
	return names, nil
}

// Level is the least severe messages to log.
func Level(field *slog.Level) Value {
	return Value{"level", func(text string) error {
		if err := field.UnmarshalText([]byte(text)); err != nil {
			return errors.New("want debug, info, warn or error")
		}
		return nil
	}, func() string {
		if *field == slog.LevelInfo {
			return ""
		}
		return strings.ToLower(field.String())
	}}
}
