package local

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/local"
)

func TestApplyFaults(t *testing.T) {
	tests := []struct {
		name     string
		settings []string
		want     local.Faults
	}{
		{"nothing", nil, local.Faults{}},
		{"a number", []string{"api.status=503"}, local.Faults{API: local.APIFault{Status: 503}}},
		{"a word", []string{"dns.mode=servfail"}, local.Faults{DNS: local.DNSFault{Mode: "servfail"}}},
		{"a duration", []string{"api.delay=1.5s"}, local.Faults{API: local.APIFault{Delay: local.Duration(1500 * time.Millisecond)}}},
		{"a switch by its name", []string{"api.hang"}, local.Faults{API: local.APIFault{Hang: true}}},
		{"a switch by its value", []string{"network.blackhole=true"}, local.Faults{Network: local.NetworkFault{Blackhole: true}}},
		{"a probability", []string{"api.probability=0.25"}, local.Faults{API: local.APIFault{Probability: 0.25}}},
		{"an object", []string{`{"login":{"kind":"expired","remaining":2}}`}, local.Faults{Login: local.LoginFault{Kind: "expired", Remaining: 2}}},
		{"several on top of each other", []string{"api.status=429", "api.retry_after=3", "api.status=503"}, local.Faults{API: local.APIFault{Status: 503, RetryAfter: 3}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := applyFaults(local.Faults{}, test.settings)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestApplyFaultsRefuses(t *testing.T) {
	for setting, want := range map[string]string{
		"api.colour=red":        `"api.colour" is not a fault`,
		"api":                   `"api" is not a fault`,
		"api.status=down":       `fault api.status cannot be "down"`,
		"api.delay=3":           "api.delay",
		`{"api":{"statu":503}}`: "statu",
	} {
		if _, err := applyFaults(local.Faults{}, []string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want one with %q", setting, err, want)
		} else if command.ExitCode(err) != command.ExitUsage {
			t.Errorf("%s: exit code %d, want %d", setting, command.ExitCode(err), command.ExitUsage)
		}
	}
}

func TestClearFaults(t *testing.T) {
	all := local.Faults{API: local.APIFault{Status: 503}, DNS: local.DNSFault{Mode: "servfail"}}
	got, err := clearFaults(all, "api")
	if want := (local.Faults{DNS: all.DNS}); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := clearFaults(all, "weather"); command.ExitCode(err) != command.ExitUsage {
		t.Errorf("got %v for a section that there is not", err)
	}
}

func TestFaultSettingsRoundTrip(t *testing.T) {
	want := local.Faults{
		API:     local.APIFault{Status: 503, Delay: local.Duration(20 * time.Millisecond), Probability: 0.5},
		Login:   local.LoginFault{Kind: "expired"},
		Network: local.NetworkFault{ResetAt: "query", AfterBytes: 1 << 40},
	}
	settings := want.Settings()
	if !slices.Contains(settings, "api.status=503") || !slices.IsSorted(settings) {
		t.Errorf("got %q", settings)
	}
	got, err := applyFaults(local.Faults{}, settings)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q became %+v, want %+v", settings, got, want)
	}
}
