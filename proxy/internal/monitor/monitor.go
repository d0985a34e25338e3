// Package monitor shows a proxy over HTTP: health checks, metrics for Prometheus
// and a status page. It needs no password and shows no secret.
package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
	"github.com/lakebase-go/lakebase/internal/statuspage"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// closeTimeout bounds the wait for answers that are being written when the
// Monitor is closed.
const closeTimeout = time.Second

// Proxy is what the monitor shows. Its methods are safe for concurrent use.
type Proxy interface {
	Snapshot() *snapshot.Proxy

	// Started returns an error until the proxy serves clients.
	Started() error
	// Ready returns why new clients are not accepted.
	Ready() error
	// Alive returns as long as the proxy is not deadlocked.
	Alive() error

	// Debug reports whether profiles are shown.
	Debug() bool
	// OnQuit returns what a request to end the proxy calls, nil if there are none.
	OnQuit() func()
}

// Monitor is an HTTP server for one proxy. It outlives the proxy's listeners, so
// that health checks see that the proxy is shutting down.
type Monitor struct {
	proxy    Proxy
	log      *slog.Logger
	recorder *history.Recorder[sample]
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

	recording     context.Context // ends with Close
	stopRecording context.CancelFunc
}

// Listen opens a TCP address, host:port. Serve must follow, or Close.
func Listen(address string, proxy Proxy, log *slog.Logger) (*Monitor, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	onLoopback := l.Addr().(*net.TCPAddr).IP.IsLoopback()
	m := &Monitor{proxy: proxy, log: log, recorder: newRecorder(proxy), listener: l}
	m.recording, m.stopRecording = context.WithCancel(context.Background())
	m.server = &http.Server{
		Handler:           m.handler(onLoopback),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	return m, nil
}

// Addr returns the address.
func (m *Monitor) Addr() net.Addr { return m.listener.Addr() }

// Serve answers requests, and records what the plots show, in the background until
// [Monitor.Close].
func (m *Monitor) Serve() {
	m.serving.Go(func() { _ = m.server.Serve(m.listener) })
	m.serving.Go(func() { m.recorder.Run(m.recording) })
}

// Close closes the address and waits a second for answers that are being
// written.
func (m *Monitor) Close() {
	m.stopRecording()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if m.server.Shutdown(ctx) != nil {
		m.server.Close()
	}
	m.listener.Close() // the server closes it only after Serve
	m.serving.Wait()
}

func (m *Monitor) handler(onLoopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /startup", probe(m.proxy.Started))
	mux.HandleFunc("GET /readiness", probe(m.proxy.Ready))
	mux.HandleFunc("GET /liveness", probe(m.proxy.Alive))
	restricted(mux, m.proxy)
	mux.Handle("GET /metrics", metricsHandler(m.proxy))
	mux.HandleFunc("GET /{$}", m.page("overview", m.overview))
	mux.HandleFunc("GET /pool", m.page("pool", m.poolDetails))
	mux.HandleFunc("GET /client", m.page("client", m.clientDetails))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if onLoopback && !statuspage.IsLocal(r.Host) {
			http.Error(w, "this address answers to localhost and IP addresses alone", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'") // status pages have a stricter one
		mux.ServeHTTP(w, r)
	})
}

// probe answers a health check: "ok", or 503 with the reason.
func probe(check func() error) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		if err := check(); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, err)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}
