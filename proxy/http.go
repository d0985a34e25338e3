package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// httpEnd bounds the wait for answers under way when the Server has ended.
const httpEnd = time.Second

// httpServer answers health checks, and shows metrics and the status page. It
// lives longer than the clients, to tell that there can be none any more.
type httpServer struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

// listenHTTP opens HTTPListen.
func (s *Server) listenHTTP() (*httpServer, error) {
	l, err := net.Listen("tcp", s.config().HTTPListen)
	if err != nil {
		return nil, fmt.Errorf("proxy: HTTP: %w", err)
	}
	return &httpServer{listener: l, server: &http.Server{
		Handler:           s.httpHandler(isLoopback(l.Addr().(*net.TCPAddr).IP.String())),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}}, nil
}

// HTTPAddr is the address of the health checks, metrics and the status page;
// nil before [Server.Listen], and without Config.HTTPListen.
func (s *Server) HTTPAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return nil
	}
	return s.http.listener.Addr()
}

func (h *httpServer) serve() {
	h.serving.Go(func() { _ = h.server.Serve(h.listener) }) // until close
}

// close lets answers under way end, and closes the address.
func (h *httpServer) close() {
	ctx, cancel := context.WithTimeout(context.Background(), httpEnd)
	defer cancel()
	if h.server.Shutdown(ctx) != nil {
		h.server.Close()
	}
	h.listener.Close() // which the server does only if it has served
	h.serving.Wait()
}

func (s *Server) httpHandler(onLoopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /startup", s.probe(s.started))
	mux.HandleFunc("GET /readiness", s.probe(s.ready))
	mux.HandleFunc("GET /liveness", s.probe(s.alive))
	mux.Handle("GET /metrics", s.metricsHandler())
	mux.HandleFunc("GET /{$}", s.statusPage)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if onLoopback && !isLocalHost(r.Host) {
			http.Error(w, "this address answers to localhost and IP addresses alone", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		mux.ServeHTTP(w, r)
	})
}

// isLocalHost reports whether a request's Host is an address or localhost, as
// opposed to a name that somebody has made lead here so that a browser lets
// his page read the answer.
func isLocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}

// probe answers a health check: "ok", or 503 with the reason why not.
func (s *Server) probe(check func() error) http.HandlerFunc {
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
