package testkit_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

func TestOnlyEnv(t *testing.T) {
	cleared := []string{"PGSERVICE", "LAKEBASE_HOST", "DB_POOL_SIZE", "ENDPOINT_NAME", "DATABRICKS_TOKEN", "ARM_CLIENT_ID", "GOOGLE_CREDENTIALS", "ACTIONS_ID_TOKEN_REQUEST_URL"}
	kept := []string{"LAKEBASE_POSTGRES_BIN", "LAKEBASE_CACHE_DIR", "SOMETHING_ELSE"}
	for _, name := range append(cleared, kept...) {
		t.Setenv(name, "before")
	}
	home := os.Getenv("HOME")
	t.Run("", func(t *testing.T) {
		testkit.OnlyEnv(t, map[string]string{"PGHOST": "h"})
		for _, name := range cleared {
			if v, ok := os.LookupEnv(name); ok {
				t.Errorf("%s is still %q", name, v)
			}
		}
		for _, name := range kept {
			if os.Getenv(name) != "before" {
				t.Errorf("%s is gone", name)
			}
		}
		if os.Getenv("PGHOST") != "h" || os.Getenv("HOME") == home {
			t.Errorf("PGHOST=%s HOME=%s", os.Getenv("PGHOST"), os.Getenv("HOME"))
		}
	})
	for _, name := range cleared {
		if os.Getenv(name) != "before" {
			t.Errorf("%s has not come back", name)
		}
	}
}

// failure notes what a test would have failed with.
type failure struct {
	testing.TB
	message string
}

func (f *failure) Helper() {}

func (f *failure) Logf(string, ...any) {}

func (f *failure) Fatal(args ...any) { f.Fatalf("%s", strings.TrimSpace(fmt.Sprint(args...))) }

func (f *failure) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	panic(f)
}

// failing returns what test fails with.
func failing(test func(t testing.TB)) (message string) {
	f := &failure{}
	defer func() {
		if recover() != nil {
			message = f.message
		}
	}()
	test(f)
	return ""
}

func TestEventually(t *testing.T) {
	polls := 0
	testkit.Eventually(t, "three", func() bool { polls++; return polls == 3 })
	got := failing(func(t testing.TB) {
		testkit.EventuallyWithin(t, 20*time.Millisecond, "never", func() bool { return false })
	})
	if !strings.HasPrefix(got, "never: not within ") || !strings.HasSuffix(got, "ms") {
		t.Errorf("failed with %q", got)
	}
}

func TestChaos(t *testing.T) {
	t.Setenv("CHAOS", "")
	t.Setenv("CHAOS_SEED", "")
	if d, _ := testkit.Chaos(t, time.Second); d != time.Second {
		t.Errorf("%s by default", d)
	}
	t.Setenv("CHAOS", "1h")
	t.Setenv("CHAOS_SEED", "7")
	if d, seed := testkit.Chaos(t, time.Second); d != time.Hour || seed != 7 {
		t.Errorf("%s with seed %d", d, seed)
	}
	for _, bad := range []struct{ name, value, want string }{
		{"CHAOS", "long", "CHAOS is not a duration"},
		{"CHAOS", "-1s", "CHAOS is -1s"},
		{"CHAOS_SEED", "seven", "CHAOS_SEED is not a number"},
	} {
		t.Run(bad.name+"="+bad.value, func(t *testing.T) {
			t.Setenv(bad.name, bad.value)
			if got := failing(func(t testing.TB) { testkit.Chaos(t, time.Second) }); !strings.HasPrefix(got, bad.want) {
				t.Errorf("failed with %q, want %q", got, bad.want)
			}
		})
	}
}
