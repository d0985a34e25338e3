package interop

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// Prometheus exporters made for PgBouncer have of the console the metrics, with their
// labels, that they have of PgBouncer 1.25.2, and log no error, also before the first client
// has logged in. EXPORTERS names a directory with the programs, as go install builds them:
//
//	github.com/prometheus-community/pgbouncer_exporter@v0.12.1 as prometheus-community
//	github.com/jbub/pgbouncer_exporter@v0.20.0 as jbub
func TestPgBouncerExporters(t *testing.T) {
	dir := os.Getenv("EXPORTERS")
	if dir == "" { // the programs are no part of what prepare.sh installs
		t.Skip("EXPORTERS names no directory with exporters")
	}
	for name, command := range map[string]func(address, url string) []string{
		"prometheus-community": func(address, url string) []string {
			return []string{"--web.listen-address=" + address, "--pgBouncer.connectionString=" + url}
		},
		"jbub": func(address, url string) []string {
			return []string{"--web.listen-address=" + address, "--database-url=" + url, "server"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
				host, port := serveProxy(t, proxy.Config{Targets: targets(t, server), PoolMode: mode, Logger: discardLog()})
				v := &via{host: host, port: port, user: "anyone"}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				address := l.Addr().String()
				l.Close()
				log := &testkit.Buffer{}
				cmd := exec.Command(filepath.Join(dir, name), command(address, "postgres://anyone@"+net.JoinHostPort(host, port)+"/pgbouncer?sslmode=disable")...)
				cmd.Stderr = log
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					cmd.Process.Kill()
					cmd.Wait()
				})
				metrics := ""
				testkit.Eventually(t, "the exporter answers", func() bool {
					metrics, err = scrape(t.Context(), address)
					return err == nil
				})
				if !strings.Contains(metrics, "database") {
					t.Errorf("%s mode: no databases before the first login: %s", mode, metrics)
				}
				conn, err := pgx.Connect(t.Context(), v.dsn())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := conn.Exec(t.Context(), "BEGIN"); err != nil {
					t.Fatal(err)
				}
				metrics, err = scrape(t.Context(), address)
				conn.Close(context.Background())
				cmd.Process.Kill()
				cmd.Wait() // for the whole log
				if err != nil {
					t.Fatal(err)
				}
				want, err := os.ReadFile(filepath.Join("testdata/exporters", name+".txt"))
				if err != nil {
					t.Fatal(err)
				}
				if got := names(metrics); got != string(want) {
					t.Errorf("%s mode: the metrics are\n%swant\n%s", mode, got, want)
				}
				if regexp.MustCompile(`NaN|pgbouncer_up 0`).MatchString(metrics) || regexp.MustCompile(`level=(WARN|ERROR)|msg="error|could not|disappeared`).MatchString(log.String()) {
					t.Errorf("%s mode: %s%s", mode, metrics, log)
				}
			}
		})
	}
}

// scrape reads the metrics of an exporter.
func scrape(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// names returns the names of PgBouncer's metrics with those of their labels, a line each.
func names(metrics string) string {
	values := regexp.MustCompile(`="(\\.|[^"\\])*"`)
	var lines []string
	for line := range strings.Lines(metrics) {
		name, _, _ := strings.Cut(values.ReplaceAllString(line, ""), " ")
		if strings.HasPrefix(name, "pgbouncer") && !strings.Contains(name, "_build_info") {
			lines = append(lines, name+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}
