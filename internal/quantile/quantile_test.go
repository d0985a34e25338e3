package quantile

import (
	"testing"
	"time"
)

func TestOf(t *testing.T) {
	var v []time.Duration
	for i := range 100 {
		v = append(v, time.Duration(i+1))
	}
	for q, want := range map[float64]time.Duration{0: 1, 0.005: 1, 0.5: 50, 0.501: 51, 0.99: 99, 1: 100} {
		if got := Of(v, q); got != want {
			t.Errorf("Of(1..100, %v) = %d, want %d", q, got, want)
		}
	}
	if one, none := Of(v[:1], 0.99), Of(nil, 0.5); one != 1 || none != 0 {
		t.Errorf("of one value %d, of none %d", one, none)
	}
}
