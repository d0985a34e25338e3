package proxy

import (
	"net/http"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsHandler serves the Server's metrics from a registry of its own, so
// that several can live in one process.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collector{s})
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// collector takes what the proxy counts anyway, when it is asked for: a query
// costs nothing for it.
type collector struct{ server *Server }

// metric is a figure with the values of its labels.
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

// serverMetrics are those of the whole proxy.
var serverMetrics = []metric[Stats]{
	gauge("client_connections", "Clients connected, those in login included, those of the console not.", nil, func(s *Stats) float64 { return float64(s.Clients) }),
	counter("connections_accepted_total", "Connections accepted, cancel requests and port scans included.", nil, func(s *Stats) float64 { return float64(s.Accepted) }),
	counter("sessions_total", "Client sessions begun.", nil, func(s *Stats) float64 { return float64(s.Sessions) }),
	counter("client_logins_failed_total", "Client logins refused or failed.", nil, func(s *Stats) float64 { return float64(s.Failed) }),
	counter("cancel_requests_total", "Cancel requests dealt with.", nil, func(s *Stats) float64 { return float64(s.Canceled) }),
	counter("sessions_lost_total", "Client sessions whose server connection broke.", nil, func(s *Stats) float64 { return float64(s.Lost) }),
}

var poolLabels = []string{"target", "database", "mode"}

// poolMetrics are those of each pool. In session mode, a pool is the sessions
// of one database.
var poolMetrics = []metric[PoolInfo]{
	gauge("pool_server_connections_max", "Server connections that the pool may have.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Limit) }),
	gauge("pool_paused", "1 if the pool is paused.", poolLabels, func(p *PoolInfo) float64 { return float64(flag(p.Paused)) }),
	gauge("pool_oldest_wait_seconds", "How long the client has waited that has waited longest for a server connection.", poolLabels, func(p *PoolInfo) float64 { return p.OldestWait.Seconds() }),
	gauge("pool_login_failing", "1 if the last login to the database failed.", poolLabels, func(p *PoolInfo) float64 { return float64(flag(p.LastError != "")) }),
	counter("pool_sessions_total", "Client sessions begun.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Sessions) }),
	counter("server_assignments_total", "Times that a server connection was lent to a client.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Assignments) }),
	counter("transactions_total", "Transactions completed, statements outside a transaction block included.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Transactions) }),
	counter("queries_total", "Requests answered: simple queries, and groups up to a Sync.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Queries) }),
	counter("received_bytes_total", "Bytes from clients.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Received) }),
	counter("sent_bytes_total", "Bytes to clients.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Sent) }),
	counter("server_logins_total", "Logins to the database that succeeded.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.ServerLogins) }),
	counter("cancels_total", "Cancel requests passed on to the database.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.Canceled) }),
}

// pooledMetrics are those of pools that lend server connections. In session
// mode no times are taken.
var pooledMetrics = []metric[PoolInfo]{
	counter("transaction_seconds_total", "Time that clients had a server connection.", poolLabels, func(p *PoolInfo) float64 { return p.Totals.TransactionTime.Seconds() }),
	counter("query_seconds_total", "Time from request to complete answer.", poolLabels, func(p *PoolInfo) float64 { return p.Totals.QueryTime.Seconds() }),
	counter("client_wait_seconds_total", "Time that clients waited for a server connection.", poolLabels, func(p *PoolInfo) float64 { return p.Totals.WaitTime.Seconds() }),
	counter("server_login_failures_total", "Logins to the database that failed.", poolLabels, func(p *PoolInfo) float64 { return float64(p.Totals.ServerLoginFails) }),
}

var (
	clientsDesc     = desc("pool_clients", "Clients by state.", append(poolLabels, "state")...)
	serversDesc     = desc("pool_server_connections", "Server connections by state.", append(poolLabels, "state")...)
	lostDesc        = desc("server_connections_lost_total", "Server connections that broke, while a client needed them (active) or not (idle).", append(poolLabels, "state")...)
	maxClientsDesc  = desc("client_connections_max", "Clients that may be connected at once.")
	consolesDesc    = desc("console_connections", "Clients of the console.")
	drainingDesc    = desc("draining", "1 if the proxy takes no new clients any more.")
	buildDesc       = desc("build_info", "1, with the version of the proxy and of Go.", "version", "goversion")
	targetDesc      = desc("target_server_connections", "Server connections of a target, those in login included.", "target")
	targetMaxDesc   = desc("target_server_connections_max", "Server connections that a target may have.", "target")
	tokenDesc       = desc("token_expiry_timestamp_seconds", "When the current token of a target expires, in Unix time; absent without a token.", "target")
	tokensDesc      = desc("tokens_total", "Tokens received from the workspace.", "target")
	callsDesc       = desc("credential_requests_total", "Requests for tokens to the workspace.", "target")
	callsFailedDesc = desc("credential_failures_total", "Requests for tokens that failed.", "target")
	rejectedDesc    = desc("token_rejections_total", "Tokens that the database refused.", "target")
)

// Describe says nothing, since what there is depends on the pools.
func (collector) Describe(chan<- *prometheus.Desc) {}

func (m collector) Collect(ch chan<- prometheus.Metric) {
	s, stats := m.server, m.server.Stats()
	one := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	for _, metric := range serverMetrics {
		metric.collect(ch, &stats)
	}
	one(maxClientsDesc, prometheus.GaugeValue, float64(s.config().MaxClients))
	one(consolesDesc, prometheus.GaugeValue, float64(s.consoles.Load()))
	one(drainingDesc, prometheus.GaugeValue, float64(flag(s.stopping.Load() || s.leaving.Load())))
	one(buildDesc, prometheus.GaugeValue, 1, productVersion(), runtime.Version())
	for name, t := range s.settings.Load().targets {
		name = strings.ToValidUTF8(name, "?")
		one(targetDesc, prometheus.GaugeValue, float64(stats.ServerConns[name]), name)
		one(targetMaxDesc, prometheus.GaugeValue, float64(s.config().MaxServerConns), name)
		token := t.connector.Stats()
		if !token.TokenExpiry.IsZero() {
			one(tokenDesc, prometheus.GaugeValue, float64(token.TokenExpiry.UnixMilli())/1000, name)
		}
		one(tokensDesc, prometheus.CounterValue, float64(token.Tokens), name)
		one(callsDesc, prometheus.CounterValue, float64(token.CredentialCalls), name)
		one(callsFailedDesc, prometheus.CounterValue, float64(token.CredentialFailures), name)
		one(rejectedDesc, prometheus.CounterValue, float64(token.Rejections), name)
	}
	for _, p := range mergePools(s.Pools(), func(p PoolInfo) string { return poolName(p.Target, p.Database) + " " + string(p.Mode) }) {
		p.collect(ch)
	}
}

func (p *PoolInfo) collect(ch chan<- prometheus.Metric) {
	labels := []string{p.Target, strings.ToValidUTF8(p.Database, "?"), string(p.Mode)} // a client may name it anything
	for _, metric := range poolMetrics {
		metric.collect(ch, p, labels...)
	}
	if p.Mode == TransactionMode {
		for _, metric := range pooledMetrics {
			metric.collect(ch, p, labels...)
		}
	}
	byState := func(desc *prometheus.Desc, kind prometheus.ValueType, state string, n uint64) {
		ch <- prometheus.MustNewConstMetric(desc, kind, float64(n), append(labels, state)...)
	}
	byState(clientsDesc, prometheus.GaugeValue, clientActive, uint64(p.ClientsActive))
	byState(clientsDesc, prometheus.GaugeValue, clientWaiting, uint64(p.ClientsWaiting))
	byState(clientsDesc, prometheus.GaugeValue, clientIdle, uint64(p.ClientsIdle))
	byState(serversDesc, prometheus.GaugeValue, serverActive, uint64(p.ServersActive-p.ServersPinned))
	byState(serversDesc, prometheus.GaugeValue, serverPinned, uint64(p.ServersPinned))
	byState(serversDesc, prometheus.GaugeValue, serverIdle, uint64(p.ServersIdle))
	byState(serversDesc, prometheus.GaugeValue, serverResting, uint64(p.ServersResting))
	byState(serversDesc, prometheus.GaugeValue, "connecting", uint64(p.ServersConnecting))
	byState(lostDesc, prometheus.CounterValue, serverActive, p.Totals.Lost)
	byState(lostDesc, prometheus.CounterValue, serverIdle, p.Totals.LostIdle)
}
