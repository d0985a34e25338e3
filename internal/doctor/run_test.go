package doctor_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/local"
)

func TestRunReportsEveryCheckInOrder(t *testing.T) {
	shared(t, "my-instance")
	var begun, done []string
	report := examine(t, doctor.Options{Schema: "public", Facts: true, OnEvent: func(e doctor.Event) {
		switch {
		case e.Result != nil:
			done = append(done, e.Check)
		case e.Note == "":
			begun = append(begun, e.Check)
		}
	}})
	if report.Status != doctor.OK || report.Err() != nil || report.Target != "my-instance" {
		t.Error(describe(report))
	}
	if !slices.Equal(begun, doctor.Names()) || !slices.Equal(done, doctor.Names()) {
		t.Errorf("begun %q, done %q", begun, done)
	}
	text, err := json.Marshal(report)
	if err != nil || bytes.Contains(text, []byte("null")) {
		t.Errorf("%s, %v", text, err)
	}
	for _, c := range report.Checks {
		if c.Status == doctor.OK && (c.Meaning != "" || c.Action != "" || c.Command != "" || c.Kind != "") {
			t.Errorf("%+v passed and has advice", c)
		}
	}
}

func TestInterruptedRunReturnsItsReportAtOnce(t *testing.T) {
	s := shared(t, "my-instance")
	setFaults(t, s, local.Faults{Login: local.LoginFault{Kind: "hang"}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	report := doctor.Run(ctx, doctor.Options{Timeout: 10 * time.Second, WakeTimeout: time.Minute, Secrets: doctor.NewSecrets(), OnEvent: func(e doctor.Event) {
		if e.Check == "login" && e.Result == nil {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	}})
	if !report.Interrupted || report.Status != doctor.Failed || len(report.Checks) != slices.Index(doctor.Names(), "login") || time.Since(began) > 8*time.Second {
		t.Errorf("after %s:\n%s", time.Since(began), describe(report))
	}
}

func TestRunOnSocketSkipsTheNetwork(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	server := testpostgres.Start(t)
	report := examine(t, doctor.Options{Target: "postgres:///postgres?user=" + postgres.Admin + "&host=" + url.QueryEscape(server.SocketDir())})
	if report.Status != doctor.OK {
		t.Error(describe(report))
	}
	for name, want := range map[string]doctor.Status{"dns": doctor.Skipped, "tcp": doctor.Skipped, "tls": doctor.Skipped, "login": doctor.OK, "connections": doctor.OK} {
		if c := resultOf(report, name); c.Status != want || c.Because != "" {
			t.Errorf("%s is %s because of %q", name, c.Status, c.Because)
		}
	}
}

func TestSecretsAreHidden(t *testing.T) {
	testkit.OnlyEnv(t, nil)
	t.Setenv("DATABRICKS_CLIENT_SECRET", "client-secret-value")
	t.Setenv("PGPASSWORD", "pgpw")
	t.Setenv("SOME_API_KEY", "somebodys-key")
	t.Setenv("SHORT_TOKEN", "true") // no secret, and a word
	profile("https://example.com", "here", "profile-token")(t)
	s := doctor.NewSecrets()
	s.Add("long-secret-value", "long-secret")
	token := fakeToken(time.Now())
	for text, want := range map[string]string{
		"a client-secret-value b":                "a [redacted] b",
		"pw=pgpw.":                               "pw=[redacted].",
		"key somebodys-key":                      "key [redacted]",
		"true":                                   "true",
		"from profile-token":                     "from [redacted]",
		"long-secret-value":                      "[redacted]",
		"bearer " + token + ", then":             "bearer [redacted], then",
		"dapi0123456789abcdef-2":                 "[redacted]",
		"postgres://me:what@host/db":             "postgres://me:[redacted]@host/db",
		"https://proxy:3128":                     "https://proxy:3128",
		"host=h password=what user=u":            "host=h password=[redacted] user=u",
		"me@example.com at http://127.0.0.1:443": "me@example.com at http://127.0.0.1:443",
	} {
		if got := s.Hide(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	var out strings.Builder
	log := &doctor.Log{Secrets: s, Copy: &out}
	if n, err := fmt.Fprintln(log, "the client-secret-value"); n != len("the client-secret-value\n") || err != nil || out.String() != "the [redacted]\n" || log.String() != out.String() {
		t.Errorf("%d, %v, %q, %q", n, err, out.String(), log.String())
	}
}
