package statuspage

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
)

func samples(values ...float64) (all []history.Sample[float64]) {
	began := time.Now()
	for i, v := range values {
		all = append(all, history.Sample[float64]{At: began.Add(time.Duration(i) * 5 * time.Second), Value: v})
	}
	return all
}

func itself(v float64) float64 { return v }

func TestPlotsShowTheirSamples(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	five := Gauge("", itself)
	for name, c := range map[string]struct {
		values                     []float64
		line                       Line[float64]
		path, now, lowest, highest string
	}{
		"none":           {nil, five, "", "–", "–", "–"},
		"one":            {[]float64{4}, five, "M900 0h0", "4", "4", "4"},
		"flat":           {[]float64{0, 0, 0, 0}, five, "M675 200h225", "0", "0", "0"},
		"a step":         {[]float64{1, 1, 4, 4}, five, "M675 150h75l75-150h75", "4", "1", "4"},
		"a gap":          {[]float64{2, nan, 1, 0}, five, "M675 0h0M825 100l75 100", "0", "0", "2"},
		"none at last":   {[]float64{2, 2, nan}, five, "M750 0h75", "–", "2", "2"},
		"a rate":         {[]float64{100, 150, 250}, Rate("", time.Second, itself), "M825 100l75-100", "20", "10", "20"},
		"a new counter":  {[]float64{100, 10, 110}, Rate("", time.Minute, itself), "M900 80h0", "1\u202f200", "1\u202f200", "1\u202f200"},
		"a mean":         {[]float64{1, 2, 2, 4}, Mean("", itself, func(v float64) float64 { return 2 * v }), "M750 33h0M900 33h0", "0.5", "0.5", "0.5"},
		"a mean of none": {[]float64{1, 2, 3}, Mean("", itself, func(float64) float64 { return 0 }), "", "–", "–", "–"},
	} {
		p := Draw(samples(c.values...), 5*time.Second, Plot{}, Numbers, c.line)
		path := strings.ReplaceAll(p.Lines[0].Path, " -", "-")
		if got := p.Lines[0]; path != c.path || got.Now != c.now || got.Lowest != c.lowest || got.Highest != c.highest {
			t.Errorf("%s: %+v, want %q and %q, %q, %q", name, got, c.path, c.now, c.lowest, c.highest)
		}
		if p.Span != "1 min" || len(p.Ticks) != 3 {
			t.Errorf("%s: %s, %q", name, p.Span, p.Ticks)
		}
	}
}

func TestPlotsShowTheWholeTime(t *testing.T) {
	t.Parallel()
	for minutes, want := range map[int]string{1: "1 min", 2: "2 min", 3: "3 min", 4: "5 min", 6: "10 min", 11: "15 min", 15: "15 min"} {
		values := make([]float64, minutes*12+1)
		p := Draw(samples(values...), 5*time.Second, Plot{}, Numbers, Gauge("", itself), Gauge("", itself), Gauge("", itself), Gauge("", itself), Gauge("", itself))
		if p.Span != want || len(p.Lines) != MaxLines || !strings.HasPrefix(p.Lines[0].Path, "M") || strings.Contains(p.Lines[0].Path, "M-") {
			t.Errorf("%d min: %+v", minutes, p)
		}
	}
	// A time without samples, as when a computer sleeps, is blank.
	late := samples(1, 1, 1, 1)
	late[2].At, late[3].At = late[2].At.Add(30*time.Second), late[3].At.Add(30*time.Second)
	if got := Draw(late, 5*time.Second, Plot{}, Numbers, Gauge("", itself)).Lines[0].Path; strings.Count(got, "M") != 2 {
		t.Errorf("path %s has no gap", got)
	}
}

func TestAxesEndAtRoundNumbers(t *testing.T) {
	t.Parallel()
	for v, want := range map[float64]float64{0: 1, 0.0012: 0.002, 1: 1, 3: 4, 4.1: 6, 9: 10, 1234: 2000, 7e6: 8e6} {
		if got := roundUp(v); math.Abs(got-want) > want/1e9 {
			t.Errorf("the axis of %v ends at %v, want %v", v, got, want)
		}
	}
}
