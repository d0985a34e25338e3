package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/webservice"
)

const (
	// thinkTime is each client's pause between requests. It bounds the load
	// to 50 requests a second and client.
	thinkTime = 20 * time.Millisecond
	// requestTimeout counts a request without an answer as failed.
	requestTimeout = 10 * time.Second
	// healthEvery is the number of requests per health check.
	healthEvery = 20
)

// load is a number of HTTP clients that send requests to the web service.
type load struct {
	url     string
	clients int
	http    *http.Client

	mu        sync.Mutex
	latencies []time.Duration // of all requests that succeeded
	failures  int
	lastError error
}

func newLoad(url string, clients int) *load {
	return &load{
		url:     url,
		clients: clients,
		http: &http.Client{
			Timeout:   requestTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: clients, Proxy: nil},
		},
	}
}

// run runs all clients until ctx ends, and returns when their last requests are
// answered, or the context of the requests ends.
func (l *load) run(ctx, requests context.Context) {
	var clients sync.WaitGroup
	for range l.clients {
		clients.Go(func() { l.client(ctx, requests) })
	}
	clients.Wait()
	l.http.CloseIdleConnections()
}

// client sends a request, pauses and repeats.
func (l *load) client(ctx, requests context.Context) {
	think := time.NewTicker(thinkTime)
	defer think.Stop()
	for i := 1; ctx.Err() == nil; i++ {
		path, answer := "/data", any(&webservice.Data{})
		if i%healthEvery == 0 {
			path, answer = "/healthz", &struct{ Status string }{}
		}
		began := time.Now()
		err := l.get(requests, path, answer)
		l.record(time.Since(began), err)
		select {
		case <-think.C:
		case <-ctx.Done():
		}
	}
}

// get requests path and decodes the answer.
func (l *load) get(ctx context.Context, path string, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+path, nil)
	if err != nil {
		return err
	}
	response, err := l.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	body, err := io.ReadAll(response.Body) // to the end, for the connection to be used again
	if err != nil {
		return err
	}
	return json.Unmarshal(body, answer)
}

func (l *load) record(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failures++
		l.lastError = err
		return
	}
	l.latencies = append(l.latencies, took)
}

// since returns the latencies of requests that succeeded, but for the first n.
func (l *load) since(n int) []time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.latencies[n:])
}

func (l *load) counts() (queries, failures int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.latencies) + l.failures, l.failures
}
