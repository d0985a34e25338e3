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

// Value reads and writes one field of a configuration.
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
func (v Value) String() string { return v.get() }

// Type says in one word what the value is.
func (v Value) Type() string { return v.kind }

// valueOf is a value whose field is set only if parse returns no error.
func valueOf[T comparable](kind string, field *T, parse func(string) (T, error), format func(T) string) Value {
	return Value{kind, func(text string) error {
		v, err := parse(text)
		if err == nil {
			*field = v
		}
		return err
	}, func() string {
		if *field == *new(T) {
			return ""
		}
		return format(*field)
	}}
}

// Text is any text that check, which may be nil, accepts.
func Text(field *string, check func(string) error) Value {
	return valueOf("string", field, func(text string) (string, error) {
		if check == nil {
			return text, nil
		}
		return text, check(text)
	}, strings.Clone)
}

// NoLimit is the most of a Number without an upper limit.
const NoLimit = math.MaxInt32

// Number is a whole number.
func Number[N int | uint16](field *N, least, most int) Value {
	return valueOf("number", field, func(text string) (N, error) {
		n, err := strconv.Atoi(text)
		switch {
		case err == nil && n >= least && n <= most:
			return N(n), nil
		case most == NoLimit:
			return 0, fmt.Errorf("want a whole number, %d or more", least)
		}
		return 0, fmt.Errorf("want a whole number from %d to %d", least, most)
	}, func(n N) string { return strconv.Itoa(int(n)) })
}

// Longest is the longest time that makes sense for any setting.
const Longest = 7 * 24 * time.Hour

// Duration is a time from least to most. It is read as seconds or with a unit,
// and written in seconds. Where unlimited says what -1 stands for, as it does
// to SQLAlchemy, -1 means no limit and is a negative field.
func Duration(field *time.Duration, least, most time.Duration, unlimited string) Value {
	return valueOf("time", field, func(text string) (time.Duration, error) {
		d, err := parseDuration(text)
		switch {
		case err == nil && d >= least && d <= most:
			return d, nil
		case unlimited == "":
			return 0, fmt.Errorf("want seconds, or a time such as 90s or 1h, from %s to %s seconds", formatSeconds(least), formatSeconds(most))
		case text == "-1":
			return -1, nil
		}
		return 0, fmt.Errorf("want seconds, or a time such as 90s or 1h, from %s to %s seconds, or -1 %s", formatSeconds(least), formatSeconds(most), unlimited)
	}, func(d time.Duration) string {
		if d < 0 && unlimited != "" {
			return "-1"
		}
		return formatSeconds(d)
	})
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
	return valueOf("bool", field, func(text string) (bool, error) {
		switch strings.ToLower(text) {
		case "true", "1", "yes", "on":
			return true, nil
		case "false", "0", "no", "off":
			return false, nil
		}
		return false, errors.New("want true or false")
	}, strconv.FormatBool)
}

// Word is one of two words.
func Word[W ~string](field *W, one, other W) Value {
	return valueOf("word", field, func(text string) (W, error) {
		if W(text) != one && W(text) != other {
			return "", fmt.Errorf("want %s or %s", one, other)
		}
		return W(text), nil
	}, func(w W) string { return string(w) })
}

// Names is a list of names, separated by commas. check may be nil.
func Names(field *[]string, check func(name string) error) Value {
	return Value{"names", func(text string) error {
		names, err := SplitNames(text)
		for i := 0; i < len(names) && err == nil && check != nil; i++ {
			err = check(names[i])
		}
		if err == nil {
			*field = names
		}
		return err
	}, func() string { return strings.Join(*field, ",") }}
}

// SplitNames reads names that commas separate. None may be empty.
func SplitNames(text string) ([]string, error) {
	names := strings.Split(text, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	if slices.Contains(names, "") {
		return nil, errors.New("want names, separated by commas")
	}
	return names, nil
}

// Level is the least severe messages to log.
func Level(field *slog.Level) Value {
	return valueOf("level", field, func(text string) (level slog.Level, err error) {
		if level.UnmarshalText([]byte(text)) != nil {
			err = errors.New("want debug, info, warn or error")
		}
		return level, err
	}, func(level slog.Level) string { return strings.ToLower(level.String()) })
}
