package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// made are the fields of proxy.Config that are made from other settings.
var made = map[string]string{
	"ClientTLS": "client_tls_cert_file", "Users": "auth_file", "Targets": "target", "Databases": "databases", "UserTargets": "user_targets",
	"Logger": "log_level", "OnReload": "config", "Listeners": "listen", "OnQuit": "quitquitquit",
}

// words finds where a field's name has a new word.
var words = regexp.MustCompile(`([a-z])([A-Z])|([A-Z])([A-Z][a-z])`)

func settingOf(field string) string {
	if name := made[field]; name != "" {
		return name
	}
	return strings.ToLower(words.ReplaceAllString(field, "${1}${3}_${2}${4}"))
}

// fieldSample is a value for a field that is not its default.
func fieldSample(t *testing.T, field reflect.StructField) (text string, value any) {
	switch {
	case strings.HasSuffix(field.Name, "Listen"):
		return "127.0.0.1:7", "127.0.0.1:7"
	case field.Type == reflect.TypeFor[proxy.Mode]():
		return "session", proxy.SessionMode
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

// Every field can be set by flag, by variable and in the file.
func TestProxySettingsCoverTheConfiguration(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	names := newConfiguration().table.Names()
	for field := range configFields() {
		name := settingOf(field.Name)
		if !slices.Contains(names, name) {
			t.Errorf("proxy.Config.%s has no setting %s", field.Name, name)
			continue
		}
		if made[field.Name] != "" {
			continue
		}
		text, want := fieldSample(t, field)
		ways := map[string]func() []string{
			"flag": func() []string { return []string{"--" + flagOf(name) + "=" + text} },
			"variable": func() []string {
				t.Setenv(variableOf(name), text)
				return nil
			},
			"file": func() []string {
				return []string{"--config", write(t, fmt.Sprintf("[proxy]\n%s = %s\n", name, text))}
			},
		}
		for way, arguments := range ways {
			cmd := &cobra.Command{}
			flags := addFlags(cmd)
			if err := cmd.ParseFlags(arguments()); err != nil {
				t.Fatalf("%s by %s: %v", name, way, err)
			}
			c, err := load(flags)
			if err != nil {
				t.Fatalf("%s by %s: %v", name, way, err)
			}
			if got := reflect.ValueOf(c.proxy).FieldByIndex(field.Index).Interface(); !reflect.DeepEqual(got, want) {
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
