package lakebase_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

// BenchmarkAcquire is what a pool of ours adds to a bare one's Acquire and
// Release.
func BenchmarkAcquire(b *testing.B) {
	s := lakebasetest.New(b)
	lakebasetest.Setenv(b, s, "")
	c, err := lakebase.ParseConfig("")
	if err != nil {
		b.Fatal(err)
	}
	connector, err := lakebase.New(c)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(connector.Close)
	ours, err := connector.NewPool(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := pgxpool.ParseConfig("")
	if err != nil {
		b.Fatal(err)
	}
	cfg.MaxConns = 15
	cfg.ConnConfig.Database = ""
	cfg.BeforeConnect = connector.BeforeConnect
	bare, err := pgxpool.NewWithConfig(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(bare.Close)
	for name, pool := range map[string]*pgxpool.Pool{"ours": ours, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				conn, err := pool.Acquire(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				conn.Release()
			}
		})
	}
}
