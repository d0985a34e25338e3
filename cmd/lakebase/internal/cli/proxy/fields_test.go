package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// made are the fields of proxy.Config that are made of other settings.
var made = map[string]string{
	"ClientTLS": "client-tls-cert-file", "Users": "auth-file", "Targets": "target", "Databases": "databases", "UserTargets": "user-targets",
	"PoolMode": "pool-mode", "Logger": "log-level", "OnReload": "config",
}

// words finds where a field's name has a new word.
var words = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

func flagOf(field string) string {
	if name := made[field]; name != "" {
		return name
	}
	return strings.ToLower(words.ReplaceAllString(field, "$1$3-$2$4"))
}

// fieldSample is a value for a field that is not its default.
func fieldSample(t *testing.T, field reflect.StructField) (text string, value any) {
	switch {
	case strings.HasSuffix(field.Name, "Listen"):
		return "127.0.0.1:7", "127.0.0.1:7"
	case field.Type == reflect.TypeFor[time.Duration]():
		return "7s", 7 * time.Second
	case field.Type == reflect.TypeFor[int]():
		return "7", 7
	case field.Type == reflect.TypeFor[bool]():
		return "true", true
	case field.Type == reflect.TypeFor[string]():
		return "seven", "seven"
	case field.Type == reflect.TypeFor[[]string]():
		return "six,seven", []string{"six", "seven"}
	}
	t.Fatalf("no sample for %s, a %s: should it be in made?", field.Name, field.Type)
	return "", nil
}

// Every field can be set in each of the three ways.
func TestProxySettingsCoverTheConfiguration(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	empty := newSettings(pflag.NewFlagSet("", pflag.ContinueOnError))
	for field := range configFields() {
		name := flagOf(field.Name)
		if empty.flags.Lookup(name) == nil {
			t.Errorf("proxy.Config.%s has no flag --%s", field.Name, name)
			continue
		}
		if made[field.Name] != "" {
			continue
		}
		text, want := fieldSample(t, field)
		ways := map[string]func(*settings) string{
			"flag": func(given *settings) string {
				if err := given.flags.Set(name, text); err != nil {
					t.Fatal(err)
				}
				return ""
			},
			"variable": func(*settings) string {
				t.Setenv(variableOf(name), text)
				return ""
			},
			"file": func(*settings) string {
				return write(t, fmt.Sprintf("[proxy]\n%s = %s\n", strings.ReplaceAll(name, "-", "_"), text))
			},
		}
		for way, say := range ways {
			given := newSettings(pflag.NewFlagSet("", pflag.ContinueOnError))
			given.file = say(given)
			s, err := loadSettings(given)
			if err != nil {
				t.Fatalf("%s by %s: %v", name, way, err)
			}
			if got := reflect.ValueOf(s.config).FieldByIndex(field.Index).Interface(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s by %s is %v, want %v", name, way, got, want)
			}
			os.Unsetenv(variableOf(name))
		}
	}
}

// configFields are those of proxy.Config.
func configFields() func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, field := range reflect.VisibleFields(reflect.TypeFor[proxy.Config]()) {
			if !yield(field) {
				return
			}
		}
	}
}

// write writes a file that is its owner's alone.
func write(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy.ini")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
