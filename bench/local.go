package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

// localStart measures the start of a local Lakebase on existing data.
func (b *bench) localStart(ctx context.Context) (row, error) {
	dir, err := os.MkdirTemp("/tmp", "lakebase-bench-")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // the servers run as another user than root
		return row{}, err
	}
	var took []time.Duration
	for range b.rounds + 1 {
		began := time.Now()
		s, err := local.Start(ctx, local.Options{DataDir: dir + "/data"})
		if err != nil {
			return row{}, err
		}
		took = append(took, time.Since(began))
		if err := s.Close(); err != nil {
			return row{}, err
		}
	}
	m := median(took[1:]) // the first one creates the data
	return row{
		What:   fmt.Sprintf("local Lakebase on existing data, start to ready (on none: %s)", took[0].Round(time.Millisecond)),
		Ours:   m.Round(time.Millisecond).String(),
		Target: "under 300ms",
		Met:    m < 300*time.Millisecond,
	}, nil
}
