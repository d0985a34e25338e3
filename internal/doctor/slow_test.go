package doctor_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/local"
)

// A check that takes more than a second says so, with its leg and the round-trip time,
// and whether the network or the other end takes it.
func TestSlowChecksAreJudged(t *testing.T) {
	for _, name := range doctor.Names() {
		if slices.Contains([]string{"configuration", "pooler", "facts"}, name) { // which wait for nothing, or for many things
			continue
		}
		fast, slow := doctor.JudgeTime(name, 900*time.Millisecond, time.Millisecond), doctor.JudgeTime(name, 1400*time.Millisecond, time.Millisecond)
		if fast.Status != doctor.OK || slow.Status != doctor.Warning || !strings.HasPrefix(slow.Summary, "slow: ") || !strings.Contains(slow.Summary, "took 1.4s") || slow.Meaning == "" || slow.Action == "" {
			t.Errorf("%s: %+v, %+v", name, fast, slow)
		}
	}
	for check, want := range map[string]string{"tls": "the TLS handshake", "login": "the login", "role": "the query", "tcp": "TCP"} {
		near, far := doctor.JudgeTime(check, 1400*time.Millisecond, 2*time.Millisecond), doctor.JudgeTime(check, 1400*time.Millisecond, 700*time.Millisecond)
		if !strings.HasPrefix(near.Summary, "slow: "+want+" took 1.4s, at a round-trip time of 2ms") {
			t.Errorf("%s: %s", check, near.Summary)
		}
		if check != "tcp" && (!strings.Contains(near.Meaning, "the other end does") || !strings.Contains(far.Meaning, "the network takes most of it") || !strings.Contains(far.Action, "region")) {
			t.Errorf("%s: %+v, %+v", check, near, far)
		}
	}
}

// The delays of a real run are found where they are.
func TestSlowLegsAreFound(t *testing.T) {
	s := shared(t, "my-instance")
	setFaults(t, s, local.Faults{API: local.APIFault{Delay: local.Duration(400 * time.Millisecond)}})
	report := examine(t, doctor.Options{Slow: 300 * time.Millisecond})
	for _, name := range []string{"workspace", "target", "token"} {
		if r := resultOf(report, name); r.Status != doctor.Warning || !strings.Contains(r.Summary, "workspace") || !strings.Contains(r.Summary, "at a round-trip time of ") {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if report.Status != doctor.Warning {
		t.Error(describe(report))
	}
}

// Names of the service with a region need Service Direct where Private Link is in
// force, and those without do not.
func TestSilentHostsOfTheService(t *testing.T) {
	for host, region := range map[string]string{
		"ep-a-b1.database.eu-west-1.cloud.databricks.com": "eu-west-1", "EP-a.database.westeurope.azuredatabricks.net": "westeurope",
		"ep-a.database.us-central1.gcp.databricks.com": "us-central1", "instance-1.database.cloud.databricks.com": "",
		"ep-a.database.azuredatabricks.net": "", "db.example.com": "", "database.eu-west-1.cloud.databricks.com.example.com": "",
	} {
		for _, private := range []bool{false, true} {
			meaning, action := doctor.ExplainSilence(host, private)
			if got := strings.Contains(meaning, "a name with a region, here "+region); got != (region != "") || got != strings.Contains(action, "Service Direct endpoint") {
				t.Errorf("%s: %s; %s", host, meaning, action)
			}
			ofService := region == "" && strings.Contains(host, "database.") && !strings.Contains(host, "example")
			if got := strings.Contains(meaning, "need no Service Direct"); got != (private && ofService) {
				t.Errorf("%s: %s", host, meaning)
			}
			if !strings.Contains(action, host+":5432") {
				t.Errorf("%s: %s", host, action)
			}
		}
	}
}
