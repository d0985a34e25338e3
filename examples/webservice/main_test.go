package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

// The service starts from its environment, answers, reports an outage of the
// database, and ends cleanly when it is told to.
func TestService(t *testing.T) {
	server := lakebasetest.New(t)
	url, stop := start(t, server)

	var data Data
	if status := get(t, url+"/data", &data); status != http.StatusOK {
		t.Fatalf("GET /data: %d", status)
	}
	if data.Database != "databricks_postgres" || data.User != server.User() || data.BackendPID == 0 {
		t.Errorf("GET /data answered %+v", data)
	}
	if status := get(t, url+"/healthz", nil); status != http.StatusOK {
		t.Errorf("GET /healthz: %d", status)
	}
	if err := stop(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	// The server learns of the end of a connection a moment after the client.
	for deadline := time.Now().Add(10 * time.Second); server.Stats().Connections > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections stay open after the shutdown", server.Stats().Connections)
		}
	}
}

// While logins are refused, clients are told to try again, and nothing of the
// reason leaves the service.
func TestServiceWithoutDatabase(t *testing.T) {
	server := lakebasetest.New(t)
	if err := server.SetFaults(local.Faults{Login: local.LoginFault{Kind: "too_many_connections"}}); err != nil {
		t.Fatal(err)
	}
	url, stop := start(t, server)
	var answer map[string]string
	if status := get(t, url+"/healthz", &answer); status != http.StatusServiceUnavailable {
		t.Errorf("GET /healthz: %d", status)
	}
	if answer["error"] != "Service Unavailable" {
		t.Errorf("answered %q", answer)
	}
	if err := stop(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}

// start runs the service on a free port against server. stop ends it as a
// signal does and returns its error.
func start(t *testing.T, server *local.Server) (url string, stop func() error) {
	t.Helper()
	variables, err := server.Env("")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variables {
		t.Setenv(v.Name, v.Value)
	}
	t.Setenv("DATABRICKS_APP_PORT", "0")

	ctx, cancel := context.WithCancel(t.Context())
	var log lockedBuffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, slog.New(slog.NewTextHandler(&log, nil))) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		_ = stop() // reported where a test asks
		if strings.Contains(log.String(), server.Token()) {
			t.Error("the log holds the workspace token")
		}
	})

	listening := regexp.MustCompile(`msg=listening address=\S*:(\d+)`)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if found := listening.FindStringSubmatch(log.String()); found != nil {
			return "http://127.0.0.1:" + found[1], stop
		}
	}
	t.Fatalf("the service does not listen:\n%s", log.String())
	return "", nil
}

func get(t *testing.T, url string, answer any) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if answer != nil {
		if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
			t.Fatal(err)
		}
	}
	return response.StatusCode
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A query that hangs does not keep the service from ending in time.
func TestServiceEndsThoughAQueryHangs(t *testing.T) {
	server := lakebasetest.New(t)
	url, stop := start(t, server)
	if status := get(t, url+"/data", nil); status != http.StatusOK {
		t.Fatalf("GET /data: %d", status)
	}
	if err := server.SetFaults(local.Faults{Network: local.NetworkFault{Blackhole: true}}); err != nil {
		t.Fatal(err)
	}
	hung := make(chan struct{})
	go func() {
		defer close(hung)
		if resp, err := http.Get(url + "/data"); err == nil {
			resp.Body.Close()
		}
	}()
	select {
	case <-hung:
		t.Fatal("the query does not hang: the test proves nothing")
	case <-time.After(time.Second):
	}
	began := time.Now()
	if err := stop(); err == nil {
		t.Error("the service does not report the request that it cut off")
	}
	if took := time.Since(began); took > shutdownTimeout+closeTimeout+20*time.Second {
		t.Errorf("the service ended after %s", took)
	}
	<-hung
}
