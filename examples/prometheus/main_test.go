package main

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestMetrics(t *testing.T) {
	cfg := lakebasetest.Config(t, lakebasetest.New(t), "projects/my-project")
	cfg.PoolSize, cfg.MaxOverflow = 3, -1
	connector, err := lakebase.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer connector.Close()
	pool, err := connector.NewPool(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	register(registry, connector, pool, "projects/my-project")
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()

	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		metric := family.GetMetric()[0]
		got[family.GetName()] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
	}
	for name, want := range map[string]float64{
		"pool_connections_max": 3, "pool_connections_open": 1, "pool_connections_acquired": 1,
		"pool_waits_total": 1, "token_calls_total": 1, "token_call_failures_total": 0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v, want %v", name, value, want)
		}
	}
	if expiry := got["token_expiry_timestamp_seconds"]; expiry <= float64(time.Now().Unix()) {
		t.Errorf("the token expires at %v", expiry)
	}
}
