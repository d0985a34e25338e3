package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// side is one of the two things that a pair compares. It runs once.
type side func(ctx context.Context) error

// pair measures ours and peer alternately. It returns the median time of one run
// of each, the median of the rounds' ratios ours/peer, and the ratios of the best
// and the worst round.
type comparison struct {
	ours, peer       time.Duration
	ratio, low, high float64
}

func (b *bench) pair(ctx context.Context, ours, peer side) (comparison, error) {
	var o, p []time.Duration
	var ratios []float64
	for _, warm := range []side{ours, peer} {
		if _, err := b.perRun(ctx, warm, b.span/4); err != nil {
			return comparison{}, err
		}
	}
	for round := range b.rounds {
		first, second := ours, peer
		if round%2 == 1 {
			first, second = peer, ours
		}
		a, err := b.perRun(ctx, first, b.span)
		if err != nil {
			return comparison{}, err
		}
		z, err := b.perRun(ctx, second, b.span)
		if err != nil {
			return comparison{}, err
		}
		if round%2 == 1 {
			a, z = z, a
		}
		o, p, ratios = append(o, a), append(p, z), append(ratios, float64(a)/float64(z))
	}
	return comparison{median(o), median(p), median(ratios), slices.Min(ratios), slices.Max(ratios)}, nil
}

// perRun runs s repeatedly for about span, and returns the time of one run.
func (b *bench) perRun(ctx context.Context, s side, span time.Duration) (time.Duration, error) {
	began := time.Now()
	for n := 1; ; n++ {
		if err := s(ctx); err != nil {
			return 0, err
		}
		if took := time.Since(began); took >= span {
			return took / time.Duration(n), nil
		}
	}
}

func median[T int64 | float64 | time.Duration](v []T) T {
	v = slices.Clone(v)
	slices.Sort(v)
	return v[len(v)/2]
}

// row makes a comparison a line of a table. The target is the highest ratio that
// meets it.
func (c comparison) row(what string, target float64) row {
	return row{
		What:   what,
		Ours:   round(c.ours).String(),
		Peer:   round(c.peer).String(),
		Ratio:  fmt.Sprintf("%.2f", c.ratio),
		Spread: fmt.Sprintf("%.2f-%.2f", c.low, c.high),
		Target: fmt.Sprintf("at most %.2f", target),
		Met:    c.ratio <= target,
	}
}

func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	case d > 10*time.Microsecond:
		return d.Round(100 * time.Nanosecond)
	}
	return d.Round(time.Nanosecond)
}
