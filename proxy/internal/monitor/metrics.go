package monitor

import (
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// metricsHandler serves the proxy's metrics from a registry of its own, since a
// process can have several proxies.
func metricsHandler(proxy Proxy) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{proxy})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector reads the proxy's counters when metrics are requested.
type collector struct{ proxy Proxy }

// metric is computed from a snapshot.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64
}

// newMetric returns a counter if the name ends in _total, as is Prometheus's
// convention, and otherwise a gauge. A state becomes a label.
func newMetric[T any](name, help string, labels []string, value func(*T) float64, state ...string) metric[T] {
	kind := prometheus.GaugeValue
	if strings.HasSuffix(name, "_total") {
		kind = prometheus.CounterValue
	}
	constant := prometheus.Labels{}
	if state != nil {
		constant["state"] = state[0]
	}
	return metric[T]{prometheus.NewDesc("lakebase_proxy_"+name, help, labels, constant), kind, value}
}

func collect[T any](ch chan<- prometheus.Metric, metrics []metric[T], of *T, labels ...string) {
	for _, m := range metrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(of), labels...)
	}
}

var (
	targetLabels = []string{"target"}
	poolLabels   = []string{"target", "database", "mode"}
)

// proxyMetrics are those of the whole proxy.
var proxyMetrics = []metric[snapshot.Proxy]{
	newMetric("client_connections", "Connected clients, including those that log in, without those of the console.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Connected) }),
	newMetric("client_connections_max", "Limit of connected clients.", nil, func(p *snapshot.Proxy) float64 { return float64(p.MaxClientConn) }),
	newMetric("console_connections", "Clients of the console.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Consoles) }),
	newMetric("connections_accepted_total", "Connections accepted, including cancel requests and port scans.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Accepted) }),
	newMetric("sessions_total", "Client sessions begun.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Sessions) }),
	newMetric("client_logins_failed_total", "Client logins refused or failed.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Failed) }),
	newMetric("cancel_requests_total", "Cancel requests handled.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Canceled) }),
	newMetric("sessions_lost_total", "Client sessions whose server connection broke.", nil, func(p *snapshot.Proxy) float64 { return float64(p.Lost) }),
	newMetric("draining", "1 if the proxy accepts no new clients.", nil, func(p *snapshot.Proxy) float64 { return oneIf(p.Closing) }),
}

// targetMetrics are those of each target.
var targetMetrics = []metric[snapshot.Target]{
	newMetric("target_server_connections", "Server connections of a target, including those that log in.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.ServerConns) }),
	newMetric("target_server_connections_max", "Limit of a target's server connections.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.MaxTargetConnections) }),
	newMetric("target_trouble", "1 if the workspace does not know the target, denies it or does not answer.", targetLabels, func(t *snapshot.Target) float64 { return oneIf(t.Trouble != "") }),
	newMetric("tokens_total", "Tokens received from the workspace.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.Tokens) }),
	newMetric("credential_requests_total", "Requests for tokens to the workspace.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.CredentialCalls) }),
	newMetric("credential_failures_total", "Requests for tokens that failed.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.CredentialFailures) }),
	newMetric("token_rejections_total", "Tokens that the database refused.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.Rejections) }),
}

// poolMetrics are those of each pool. In session mode, the sessions of one
// database make a pool.
var poolMetrics = []metric[snapshot.Pool]{
	newMetric("pool_server_connections_max", "Limit of the pool's server connections.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Limit) }),
	newMetric("pool_paused", "1 if the pool is paused.", poolLabels, func(p *snapshot.Pool) float64 { return oneIf(p.Paused) }),
	newMetric("pool_oldest_wait_seconds", "Longest current wait of a client for a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.OldestWait.Seconds() }),
	newMetric("pool_login_failing", "1 if the last login to the database failed.", poolLabels, func(p *snapshot.Pool) float64 { return oneIf(p.LastError != "") }),
	newMetric("pool_sessions_total", "Client sessions begun.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Sessions) }),
	newMetric("server_assignments_total", "Times that a client was linked to a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Assignments) }),
	newMetric("transactions_total", "Transactions completed, including statements outside a transaction block.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Transactions) }),
	newMetric("queries_total", "Requests answered: simple queries, and groups up to a Sync.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Queries) }),
	newMetric("received_bytes_total", "Bytes from clients.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Received) }),
	newMetric("sent_bytes_total", "Bytes to clients.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Sent) }),
	newMetric("server_logins_total", "Logins to the database that succeeded.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.ServerLogins) }),
	newMetric("cancels_total", "Cancel requests forwarded to the database.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Canceled) }),
	newMetric("pool_clients", "Clients by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ClientsActive) }, snapshot.ClientActive),
	newMetric("pool_clients", "Clients by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ClientsWaiting) }, snapshot.ClientWaiting),
	newMetric("pool_clients", "Clients by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ClientsIdle) }, snapshot.ClientIdle),
	newMetric("pool_server_connections", "Server connections by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ServersActive - p.ServersPinned) }, snapshot.ServerActive),
	newMetric("pool_server_connections", "Server connections by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ServersPinned) }, snapshot.ServerPinned),
	newMetric("pool_server_connections", "Server connections by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ServersIdle) }, snapshot.ServerIdle),
	newMetric("pool_server_connections", "Server connections by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ServersResetting) }, snapshot.ServerResetting),
	newMetric("pool_server_connections", "Server connections by state.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.ServersConnecting) }, "connecting"),
	newMetric("server_connections_lost_total", "Server connections that broke while linked to a client (active) or not (idle).", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Lost) }, snapshot.ServerActive),
	newMetric("server_connections_lost_total", "Server connections that broke while linked to a client (active) or not (idle).", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.LostIdle) }, snapshot.ServerIdle),
}

// pooledMetrics are those that only transaction mode measures.
var pooledMetrics = []metric[snapshot.Pool]{
	newMetric("transaction_seconds_total", "Time that clients were linked to a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.TransactionTime.Seconds() }),
	newMetric("query_seconds_total", "Time from request to complete answer.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.QueryTime.Seconds() }),
	newMetric("client_wait_seconds_total", "Time that clients waited for a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.WaitTime.Seconds() }),
	newMetric("server_login_failures_total", "Logins to the database that failed.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.ServerLoginFails) }),
}

var (
	buildDesc = prometheus.NewDesc("lakebase_proxy_build_info", "1, with the version of the proxy and of Go.", []string{"version", "goversion"}, nil)

	tokenMetrics = []metric[snapshot.Target]{
		newMetric("token_expiry_timestamp_seconds", "When the current token of a target expires, in Unix time; absent without a token.", targetLabels,
			func(t *snapshot.Target) float64 { return float64(t.TokenExpiry.UnixMilli()) / 1000 }),
	}
)

// Describe sends nothing: which metrics there are depends on the pools.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of now.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	now := c.proxy.Snapshot()
	collect(ch, proxyMetrics, now)
	ch <- prometheus.MustNewConstMetric(buildDesc, prometheus.GaugeValue, 1, now.Product, runtime.Version())
	for _, t := range now.Targets {
		name := strings.ToValidUTF8(t.Name, "?")
		collect(ch, targetMetrics, &t, name)
		if !t.TokenExpiry.IsZero() {
			collect(ch, tokenMetrics, &t, name)
		}
	}
	for _, p := range snapshot.Merge(now.Pools, func(p snapshot.Pool) string { return p.Name() + " " + p.Mode }) {
		labels := []string{p.Target, strings.ToValidUTF8(p.Database, "?"), p.Mode} // clients choose the database's name
		collect(ch, poolMetrics, &p, labels...)
		if p.Mode == snapshot.TransactionMode {
			collect(ch, pooledMetrics, &p, labels...)
		}
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
