package statuspage

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/internal/history"
)

// Plot is a plot of lines over the last minutes.
type Plot struct {
	ID, Title, Unit string // the unit is shown after the title
	Span            string // of time
	Ticks           []string
	Lines           []Drawn
}

// Drawn is a line of a plot with its values in words.
type Drawn struct {
	Name                 string
	Path                 string // of SVG
	Now, Lowest, Highest string
}

// MaxLines is how many lines can be told apart in a plot.
const MaxLines = 4

// Line is what a line shows of samples. A value that is not a number is left out.
type Line[T any] struct {
	Name  string
	value func(before, now T, elapsed time.Duration) float64
	first bool // the first sample has a value
}

// Gauge is a line of what each sample holds.
func Gauge[T any](name string, of func(T) float64) Line[T] {
	return Line[T]{Name: name, first: true, value: func(_, now T, _ time.Duration) float64 { return of(now) }}
}

// Rate is a line of the growth of a counter in a period.
func Rate[T any](name string, period time.Duration, of func(T) float64) Line[T] {
	return Line[T]{Name: name, value: func(before, now T, elapsed time.Duration) float64 {
		return rise(of(before), of(now)) * period.Seconds() / elapsed.Seconds()
	}}
}

// Mean is a line of the growth of a sum by the growth of how many it has.
func Mean[T any](name string, sum, count func(T) float64) Line[T] {
	return Line[T]{Name: name, value: func(before, now T, _ time.Duration) float64 {
		return rise(sum(before), sum(now)) / rise(count(before), count(now)) // 0/0 is not a number
	}}
}

// rise is no number where a counter has begun anew.
func rise(before, now float64) float64 {
	if now < before {
		return math.NaN()
	}
	return now - before
}

// Of the viewBox in the frame.
const width, height = 900, 200

// Draw draws at most MaxLines lines. Its time ends with the last sample and is at
// least a minute. Samples are interval apart; a longer time without any is left blank.
func Draw[T any](samples []history.Sample[T], interval time.Duration, p Plot, unit Unit, lines ...Line[T]) Plot {
	times := make([]time.Time, len(samples))
	for i, s := range samples {
		times[i] = s.At
	}
	lines = lines[:min(len(lines), MaxLines)]
	values := make([][]float64, len(lines))
	top := 0.0
	for i, line := range lines {
		values[i] = line.values(samples)
		for _, v := range values[i] {
			if v > top {
				top = v
			}
		}
	}
	c := canvas{times: times, gap: 3 * interval, span: roundSpan(times), top: unit.round(top), format: unit.format}
	p.Span = fmt.Sprintf("%d min", int(c.span.Minutes()))
	p.Ticks = []string{unit.format(c.top), unit.format(c.top / 2), "0"}
	for i, line := range lines {
		p.Lines = append(p.Lines, c.draw(line.Name, values[i]))
	}
	return p
}

// values has one for each sample.
func (l Line[T]) values(samples []history.Sample[T]) []float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = math.NaN()
		if i > 0 && s.At.After(samples[i-1].At) {
			values[i] = l.value(samples[i-1].Value, s.Value, s.At.Sub(samples[i-1].At))
		} else if l.first {
			values[i] = l.value(s.Value, s.Value, 0)
		}
		if math.IsInf(values[i], 0) {
			values[i] = math.NaN()
		}
	}
	return values
}

// canvas has the axes of a plot.
type canvas struct {
	times  []time.Time
	gap    time.Duration // without samples, from which on there is no line
	span   time.Duration // of the time axis, up to the last sample
	top    float64       // of the other one, which begins at 0
	format func(float64) string
}

func (c canvas) draw(name string, values []float64) Drawn {
	d := Drawn{Name: name, Now: "–", Lowest: "–", Highest: "–"}
	lowest, highest := math.Inf(1), math.Inf(-1)
	var path pen
	for i, v := range values {
		if i > 0 && c.times[i].Sub(c.times[i-1]) > c.gap || math.IsNaN(v) {
			path.lift()
		}
		if math.IsNaN(v) {
			continue
		}
		lowest, highest = min(lowest, v), max(highest, v)
		age := c.times[len(c.times)-1].Sub(c.times[i])
		path.to(max(0, at(width, 1-age.Seconds()/c.span.Seconds())), at(height, 1-max(v, 0)/c.top))
	}
	path.lift()
	d.Path = path.String()
	if lowest <= highest {
		d.Lowest, d.Highest = c.format(lowest), c.format(highest)
	}
	if n := len(values); n > 0 && !math.IsNaN(values[n-1]) {
		d.Now = c.format(values[n-1])
	}
	return d
}

// at is a share of a length in whole units.
func at(length, share float64) int { return int(math.Round(length * share)) }

// Text is the plot in words.
func (p Plot) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Line plot of the last %s.", p.Span)
	for _, l := range p.Lines {
		fmt.Fprintf(&b, " %s: now %s, lowest %s, highest %s.", l.Name, l.Now, l.Lowest, l.Highest)
	}
	return b.String()
}

// pen writes the path of a line, relative and without what is on a straight line
// anyway: most lines are flat for most of their time.
type pen struct {
	strings.Builder
	down         bool
	x, y         int // what is written
	flatX, flatY int // up to where the line is flat, not written yet
}

func (p *pen) to(x, y int) {
	switch {
	case !p.down:
		fmt.Fprintf(p, "M%d %d", x, y)
		p.x, p.y, p.down = x, y, true
	case y != p.flatY:
		p.flat()
		fmt.Fprintf(p, "l%d %d", x-p.x, y-p.y)
		p.x, p.y = x, y
	}
	p.flatX, p.flatY = x, y
}

func (p *pen) flat() {
	if p.flatX != p.x {
		fmt.Fprintf(p, "h%d", p.flatX-p.x)
		p.x = p.flatX
	}
}

// lift ends the part that is being drawn. A single point is drawn too.
func (p *pen) lift() {
	if !p.down {
		return
	}
	if p.flat(); strings.LastIndexByte(p.String(), 'M') > strings.LastIndexAny(p.String(), "lh") {
		p.WriteString("h0")
	}
	p.down = false
}

// roundSpan is the length of an axis that has room for all times.
func roundSpan(times []time.Time) time.Duration {
	for _, minutes := range []time.Duration{1, 2, 3, 5, 10} {
		if len(times) == 0 || times[len(times)-1].Sub(times[0]) <= minutes*time.Minute {
			return minutes * time.Minute
		}
	}
	return 15 * time.Minute
}

// Unit is how the values of a plot are shown.
type Unit struct {
	format func(float64) string
	round  func(float64) float64 // up, to the end of an axis
}

// Units of plots.
var (
	Numbers = Unit{number, roundUp}
	Seconds = Unit{seconds, roundUp}   // of what is short
	Minutes = Unit{minutes, roundTime} // of seconds
	Bytes   = Unit{func(v float64) string { return byteSize(uint64(v)) }, roundUp}
)

// roundTime is the end of an axis of at least so many seconds.
func roundTime(v float64) float64 {
	for _, end := range []float64{10, 20, 40, 60, 120, 300, 600, 1200, 2400, 3600} {
		if v <= end {
			return end
		}
	}
	return 3600 * roundUp(v/3600)
}

// roundUp is the end of an axis that is at least v.
func roundUp(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 4, 6, 8} {
		if v <= step*unit*(1+1e-9) {
			return step * unit
		}
	}
	return 10 * unit
}
