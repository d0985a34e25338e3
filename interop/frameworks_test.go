package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

// frameworks are programs that print what they saw.
var frameworks = []struct {
	name, did string
	program   func(t *testing.T) (version, name string, args []string)
}{
	{"Django", "start, migrations, models, cursors, and back", func(t *testing.T) (string, string, []string) {
		python, version := pythonWith(t, "django")
		return version, python, []string{"python/django_app.py"}
	}},
	{"Active Record", "start, migrations, models, columns that change, and back", func(t *testing.T) (string, string, []string) {
		o := succeed(t, program(t, nil, "ruby", "-e", `require "active_record"; puts ActiveRecord.version`))
		return strings.TrimSpace(o.stdout), "ruby", []string{"ruby/rails.rb"}
	}},
}

// Frameworks start, migrate and work through a small pool, whose server connections others
// use too, as over direct connections.
func TestFrameworks(t *testing.T) {
	t.Parallel()
	for _, framework := range frameworks {
		t.Run(framework.name, func(t *testing.T) {
			version, name, args := framework.program(t)
			record(t, framework.name, version, framework.did+", by the proxy as directly")
			script, err := filepath.Abs(args[0])
			if err != nil {
				t.Fatal(err)
			}
			a, v := addressOf(t, instance), startSmallProxy(t, 2)
			run := func(way string, env []string) string {
				t.Helper()
				database := createDatabase(t, strings.ToLower(strings.ReplaceAll(framework.name, " ", "_"))+"_"+way)
				if way == "proxied" {
					v.crowd(t, database)
				}
				return succeed(t, program(t, append(env, "PGDATABASE="+database), name, script)).stdout
			}
			want, got := run("direct", a.libpq(credential(t, instance))), run("proxied", v.env())
			if lines := strings.Count(want, "\n"); lines < 30 {
				t.Fatalf("%d lines:\n%s", lines, want)
			}
			if got != want {
				t.Errorf("by the proxy:\n%s\ndirectly:\n%s", got, want)
			}
		})
	}
}

// startSmallProxy starts a proxy in transaction mode whose pools have that many server
// connections.
func startSmallProxy(t *testing.T, size int) *via {
	t.Helper()
	v := &via{mode: proxy.TransactionMode, user: "anyone", name: "frameworks"}
	v.host, v.port = serveProxy(t, proxy.Config{Targets: targets(t, server), PoolMode: v.mode, DefaultPoolSize: size, Logger: discardLog()})
	return v
}

// createDatabase creates a database that lasts as long as the test.
func createDatabase(t *testing.T, name string) string {
	t.Helper()
	watch := past(t)
	if err := server.CreateDatabase(t.Context(), instance, name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropDatabase(t, watch, name) })
	return name
}
