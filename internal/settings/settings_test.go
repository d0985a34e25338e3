package settings

import (
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"
)

// fields are one of each kind of value.
type fields struct {
	text    string
	number  int
	port    uint16
	span    time.Duration
	seconds time.Duration
	on      bool
	word    string
	names   []string
	level   slog.Level
}

func (f *fields) table() Table {
	return Table{
		{Name: "some_text", Value: Text(&f.text, nil), Variables: []string{"FIRST_TEXT", "SECOND_TEXT"}, Default: "abc"},
		{Name: "number", Value: Number(&f.number, 1, NoLimit), Default: "20"},
		{Name: "port", Value: Number(&f.port, 1, 65535), Default: "5432"},
		{Name: "span", Value: Duration(&f.span, 0, Longest, ""), Default: "3600"},
		{Name: "seconds", Value: Duration(&f.seconds, time.Millisecond, Longest, "for never"), Default: "3600"},
		{Name: "on", Value: Bool(&f.on), Default: "false"},
		{Name: "word", Value: Word(&f.word, "session", "transaction"), Default: "transaction"},
		{Name: "names", Value: Names(&f.names, nil)},
		{Name: "level", Value: Level(&f.level), Default: "info"},
	}
}

func TestValuesReadAndWrite(t *testing.T) {
	for _, test := range []struct{ name, text, written string }{
		{"some_text", "x y", "x y"}, {"number", "7", "7"}, {"port", "65535", "65535"},
		{"span", "90", "90"}, {"span", "500ms", "0.5"}, {"span", "168h", "604800"}, {"span", "1h30m", "5400"}, {"span", "0", ""},
		{"seconds", "90s", "90"}, {"seconds", "2.5", "2.5"}, {"seconds", "-1", "-1"},
		{"on", "YES", "true"}, {"on", "1", "true"}, {"on", "off", ""},
		{"word", "session", "session"}, {"names", "a , b", "a,b"}, {"level", "WARN", "warn"}, {"level", "info", ""},
	} {
		f := fields{span: time.Minute, on: test.text == "off", names: []string{"former"}}
		s := f.table().Lookup(test.name)
		if err := s.Set(test.text, "here"); err != nil {
			t.Errorf("%s: %q: %v", test.name, test.text, err)
			continue
		}
		if got := s.Value.String(); got != test.written || s.Source != "here" {
			t.Errorf("%s: %q is written as %q, want %q; source %q", test.name, test.text, got, test.written, s.Source)
		}
	}
}

func TestValuesSayWhatWouldBeRight(t *testing.T) {
	const span = "want seconds, or a time such as 90s or 1h, from 0 to 604800 seconds"
	const seconds = "want seconds, or a time such as 90s or 1h, from 0.001 to 604800 seconds, or -1 for never"
	for _, test := range []struct{ name, text, want string }{
		{"number", "many", "want a whole number, 1 or more"}, {"number", "0", "want a whole number, 1 or more"},
		{"port", "0", "want a whole number from 1 to 65535"}, {"port", "65536", "want a whole number from 1 to 65535"},
		{"span", "", span}, {"span", "soon", span}, {"span", "-1", span}, {"span", "1e30", span}, {"span", "169h", span},
		{"span", "NaN", span}, {"span", "9999999999999999999", span}, {"span", "1-1", span},
		{"seconds", "0", seconds}, {"seconds", "-2", seconds}, {"seconds", "0.0001", seconds},
		{"on", "maybe", "want true or false"}, {"word", "statement", "want session or transaction"},
		{"names", "a,,b", "want names, separated by commas"}, {"level", "loud", "want debug, info, warn or error"},
	} {
		s := (&fields{}).table().Lookup(test.name)
		if err := s.Set(test.text, "here"); err == nil || err.Error() != test.want || s.Source != "" {
			t.Errorf("%s: %q: %v, want %s; source %q", test.name, test.text, err, test.want, s.Source)
		}
	}
}

func TestDefaultsReadBack(t *testing.T) {
	var f, again fields
	f.table().ApplyDefaults()
	want := fields{"abc", 20, 5432, time.Hour, time.Hour, false, "transaction", nil, slog.LevelInfo}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("got %+v, want %+v", f, want)
	}
	again.number = 7
	again.table().ApplyDefaults()
	if again.number != 7 {
		t.Errorf("a default replaces %d", 7)
	}
	for _, s := range f.table() {
		if s.Text() != s.Default {
			t.Errorf("%s: %q, want its default %q", s.Name, s.Text(), s.Default)
		}
	}
}

func TestFirstVariableCounts(t *testing.T) {
	s := (&fields{}).table().Lookup("some-text")
	t.Setenv("SECOND_TEXT", " two\n")
	if variable, value := s.Environment(); variable != "SECOND_TEXT" || value != "two" {
		t.Errorf("got %s=%q", variable, value)
	}
	t.Setenv("FIRST_TEXT", "one")
	if variable, value := s.Environment(); variable != "FIRST_TEXT" || value != "one" {
		t.Errorf("got %s=%q", variable, value)
	}
	t.Setenv("FIRST_TEXT", " ")
	t.Setenv("SECOND_TEXT", "")
	if variable, value := s.Environment(); variable != "" || value != "" {
		t.Errorf("got %s=%q", variable, value)
	}
}

func TestNamesTakeHyphensAndFindTheNearest(t *testing.T) {
	table := (&fields{}).table()
	if table.Lookup("some-text") == nil || table.Lookup("some_text") == nil || table.Lookup("sometext") != nil {
		t.Error("hyphens and underscores are not the same")
	}
	if near := table.Nearest("some-txt"); near != "some_text" {
		t.Errorf("got %q", near)
	}
	if names := strings.Join(table.Names(), " "); names != "some_text number port span seconds on word names level" {
		t.Error(names)
	}
}
