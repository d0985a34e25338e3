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

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lakebase_proxy_"+name, help, labels, nil)
}

func gauge[T any](name, help string, labels []string, value func(*T) float64) metric[T] {
	return metric[T]{desc(name, help, labels...), prometheus.GaugeValue, value}
}

func counter[T any](name, help string, labels []string, value func(*T) float64) metric[T] {
	return metric[T]{desc(name, help, labels...), prometheus.CounterValue, value}
}

func (m metric[T]) collect(ch chan<- prometheus.Metric, of *T, labels ...string) {
	ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(of), labels...)
}

// proxyMetrics are those of the whole proxy.
var proxyMetrics = []metric[snapshot.Overview]{
	gauge("client_connections", "Connected clients, including those that log in, without those of the console.", nil, func(o *snapshot.Overview) float64 { return float64(o.Connected) }),
	gauge("client_connections_max", "Limit of connected clients.", nil, func(o *snapshot.Overview) float64 { return float64(o.MaxClientConn) }),
	gauge("console_connections", "Clients of the console.", nil, func(o *snapshot.Overview) float64 { return float64(o.Consoles) }),
	counter("connections_accepted_total", "Connections accepted, including cancel requests and port scans.", nil, func(o *snapshot.Overview) float64 { return float64(o.Accepted) }),
	counter("sessions_total", "Client sessions begun.", nil, func(o *snapshot.Overview) float64 { return float64(o.Sessions) }),
	counter("client_logins_failed_total", "Client logins refused or failed.", nil, func(o *snapshot.Overview) float64 { return float64(o.Failed) }),
	counter("cancel_requests_total", "Cancel requests handled.", nil, func(o *snapshot.Overview) float64 { return float64(o.Canceled) }),
	counter("sessions_lost_total", "Client sessions whose server connection broke.", nil, func(o *snapshot.Overview) float64 { return float64(o.Lost) }),
	gauge("draining", "1 if the proxy accepts no new clients.", nil, func(o *snapshot.Overview) float64 { return oneIf(o.Closing) }),
}

// targetMetrics are those of each target.
var targetMetrics = []metric[snapshot.Target]{
	gauge("target_server_connections", "Server connections of a target, including those that log in.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.ServerConns) }),
	gauge("target_server_connections_max", "Limit of a target's server connections.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.MaxTargetConnections) }),
	counter("tokens_total", "Tokens received from the workspace.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.Tokens) }),
	counter("credential_requests_total", "Requests for tokens to the workspace.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.CredentialCalls) }),
	counter("credential_failures_total", "Requests for tokens that failed.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.CredentialFailures) }),
	counter("token_rejections_total", "Tokens that the database refused.", targetLabels, func(t *snapshot.Target) float64 { return float64(t.Rejections) }),
}

var targetLabels = []string{"target"}

var poolLabels = []string{"target", "database", "mode"}

// poolMetrics are those of each pool. In session mode, the sessions of one
// database make a pool.
var poolMetrics = []metric[snapshot.Pool]{
	gauge("pool_server_connections_max", "Limit of the pool's server connections.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Limit) }),
	gauge("pool_paused", "1 if the pool is paused.", poolLabels, func(p *snapshot.Pool) float64 { return oneIf(p.Paused) }),
	gauge("pool_oldest_wait_seconds", "Longest current wait of a client for a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.OldestWait.Seconds() }),
	gauge("pool_login_failing", "1 if the last login to the database failed.", poolLabels, func(p *snapshot.Pool) float64 { return oneIf(p.LastError != "") }),
	counter("pool_sessions_total", "Client sessions begun.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Sessions) }),
	counter("server_assignments_total", "Times that a client was linked to a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Assignments) }),
	counter("transactions_total", "Transactions completed, including statements outside a transaction block.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Transactions) }),
	counter("queries_total", "Requests answered: simple queries, and groups up to a Sync.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Queries) }),
	counter("received_bytes_total", "Bytes from clients.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Received) }),
	counter("sent_bytes_total", "Bytes to clients.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Sent) }),
	counter("server_logins_total", "Logins to the database that succeeded.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.ServerLogins) }),
	counter("cancels_total", "Cancel requests forwarded to the database.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.Canceled) }),
}

// pooledMetrics are those that only transaction mode measures.
var pooledMetrics = []metric[snapshot.Pool]{
	counter("transaction_seconds_total", "Time that clients were linked to a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.TransactionTime.Seconds() }),
	counter("query_seconds_total", "Time from request to complete answer.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.QueryTime.Seconds() }),
	counter("client_wait_seconds_total", "Time that clients waited for a server connection.", poolLabels, func(p *snapshot.Pool) float64 { return p.Totals.WaitTime.Seconds() }),
	counter("server_login_failures_total", "Logins to the database that failed.", poolLabels, func(p *snapshot.Pool) float64 { return float64(p.Totals.ServerLoginFails) }),
}

var (
	clientsDesc = desc("pool_clients", "Clients by state.", append(poolLabels, "state")...)
	serversDesc = desc("pool_server_connections", "Server connections by state.", append(poolLabels, "state")...)
	lostDesc    = desc("server_connections_lost_total", "Server connections that broke while linked to a client (active) or not (idle).", append(poolLabels, "state")...)
	buildDesc   = desc("build_info", "1, with the version of the proxy and of Go.", "version", "goversion")
	tokenDesc   = desc("token_expiry_timestamp_seconds", "When the current token of a target expires, in Unix time; absent without a token.", targetLabels...)
)

// Describe sends nothing: which metrics there are depends on the pools.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the metrics of now.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	overview := c.proxy.Overview()
	for _, metric := range proxyMetrics {
		metric.collect(ch, &overview)
	}
	ch <- prometheus.MustNewConstMetric(buildDesc, prometheus.GaugeValue, 1, overview.Product, runtime.Version())
	for _, t := range c.proxy.Targets() {
		name := strings.ToValidUTF8(t.Name, "?")
		for _, metric := range targetMetrics {
			metric.collect(ch, &t, name)
		}
		if !t.TokenExpiry.IsZero() {
			ch <- prometheus.MustNewConstMetric(tokenDesc, prometheus.GaugeValue, float64(t.TokenExpiry.UnixMilli())/1000, name)
		}
	}
	for _, p := range snapshot.Merge(c.proxy.Pools(), func(p snapshot.Pool) string { return p.Name() + " " + p.Mode }) {
		collectPool(ch, p)
	}
}

func collectPool(ch chan<- prometheus.Metric, p snapshot.Pool) {
	labels := []string{p.Target, strings.ToValidUTF8(p.Database, "?"), p.Mode} // clients choose the database's name
	for _, metric := range poolMetrics {
		metric.collect(ch, &p, labels...)
	}
	if p.Mode == snapshot.TransactionMode {
		for _, metric := range pooledMetrics {
			metric.collect(ch, &p, labels...)
		}
	}
	byState := func(desc *prometheus.Desc, kind prometheus.ValueType, state string, n uint64) {
		ch <- prometheus.MustNewConstMetric(desc, kind, float64(n), append(labels, state)...)
	}
	byState(clientsDesc, prometheus.GaugeValue, snapshot.ClientActive, uint64(p.ClientsActive))
	byState(clientsDesc, prometheus.GaugeValue, snapshot.ClientWaiting, uint64(p.ClientsWaiting))
	byState(clientsDesc, prometheus.GaugeValue, snapshot.ClientIdle, uint64(p.ClientsIdle))
	byState(serversDesc, prometheus.GaugeValue, snapshot.ServerActive, uint64(p.ServersActive-p.ServersPinned))
	byState(serversDesc, prometheus.GaugeValue, snapshot.ServerPinned, uint64(p.ServersPinned))
	byState(serversDesc, prometheus.GaugeValue, snapshot.ServerIdle, uint64(p.ServersIdle))
	byState(serversDesc, prometheus.GaugeValue, snapshot.ServerResetting, uint64(p.ServersResetting))
	byState(serversDesc, prometheus.GaugeValue, "connecting", uint64(p.ServersConnecting))
	byState(lostDesc, prometheus.CounterValue, snapshot.ServerActive, p.Totals.Lost)
	byState(lostDesc, prometheus.CounterValue, snapshot.ServerIdle, p.Totals.LostIdle)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
