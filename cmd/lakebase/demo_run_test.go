package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/demo"
)

// browser is the output of a demo. It requests the demo's page when the outage begins.
type browser struct {
	bytes.Buffer
	page chan string
}

func (b *browser) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("workspace API away")) {
		_, address, _ := strings.Cut(b.String(), "in a browser: ")
		address, _, _ = strings.Cut(address, "\n")
		go func() {
			response, err := http.Get(address)
			if err != nil {
				b.page <- err.Error()
				return
			}
			defer response.Body.Close()
			content, err := io.ReadAll(response.Body)
			b.page <- fmt.Sprint(string(content), err)
		}()
	}
	return b.Buffer.Write(p)
}

// A demo with short tokens goes through everything the long one does.
func TestDemo(t *testing.T) {
	t.Parallel()
	var stdout bytes.Buffer
	stderr := browser{page: make(chan string, 1)}
	code := cli.Run(t.Context(), []string{"demo", "--duration", "16s", "--token-lifetime", "6s", "--clients", "2", "-o", "json"},
		strings.NewReader(""), &stdout, &stderr)
	if code != command.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr.String())
	}
	var report demo.Report
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("%v in %q", err, stdout.String())
	}
	t.Logf("%+v", report)
	wantContract(t, "lakebase demo", stdout.String())
	if report.Queries == 0 || report.Failures != 0 {
		t.Errorf("%d queries, %d failures", report.Queries, report.Failures)
	}
	if report.TokensUsed < demo.TokensWanted {
		t.Errorf("%d tokens used, want at least %d", report.TokensUsed, demo.TokensWanted)
	}
	if want := int64(2 * demo.TokensWanted); report.Logins < want {
		t.Errorf("%d logins, want at least %d: the pool did not replace its connections", report.Logins, want)
	}
	if report.OutageMS < 1000 || report.CallsRefused == 0 {
		t.Errorf("the outage of %.0f ms refused %d calls, so it did not meet a refresh", report.OutageMS, report.CallsRefused)
	}
	for _, want := range []string{"workspace API away", "workspace API back"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("the view does not show %q:\n%s", want, stderr.String())
		}
	}
	page := <-stderr.page
	for _, want := range []string{">lakebase demo ", ">p99<", "workspace API away", `<path class="l1" d="M`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q:\n%s", want, page)
		}
	}
	if strings.Contains(stderr.String()+stdout.String(), "\x1b") {
		t.Error("the output has colours, but is not a terminal")
	}
}

func TestDemoRefusesWhatShowsNothing(t *testing.T) {
	for _, args := range [][]string{
		{"--duration", "5s"},
		{"--duration", "20s", "--token-lifetime", "15s"},
		{"--clients", "0"},
		{"extra"},
	} {
		var stderr bytes.Buffer
		if code := cli.Run(t.Context(), append([]string{"demo"}, args...), strings.NewReader(""), io.Discard, &stderr); code != command.ExitUsage {
			t.Errorf("demo %v: exit code %d, want %d: %s", args, code, command.ExitUsage, stderr.String())
		}
	}
}
