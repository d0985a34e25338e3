package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
)

// draw writes c as DIR/NAME.svg.
func (c curve) draw(dir string) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	for i, name := range c.Lines {
		var line plotter.XYs
		for _, at := range c.At {
			if at.Ys[i] >= 0 {
				line = append(line, plotter.XY{X: at.X, Y: at.Ys[i]})
			}
		}
		if len(line) == 0 {
			continue
		}
		drawn, marks, err := plotter.NewLinePoints(line)
		if err != nil {
			return err
		}
		drawn.Color, marks.Color = plotutil.Color(i), plotutil.Color(i)
		drawn.Width, marks.Shape = vg.Points(1.5), plotutil.Shape(i)
		p.Add(drawn, marks)
		p.Legend.Add(name, drawn, marks)
	}
	p.X.Max, p.Y.Max = p.X.Max*1.2, p.Y.Max*1.25 // room for the last label and the legend
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return p.Save(16*vg.Centimeter, 9*vg.Centimeter, filepath.Join(dir, c.Name+".svg"))
}

// markdown writes c as a table.
func (c curve) markdown(w io.Writer) {
	fmt.Fprintf(w, "\n### %s\n\n| %s |", c.Title, c.X)
	for _, name := range c.Lines {
		fmt.Fprintf(w, " %s |", name)
	}
	fmt.Fprint(w, "\n|---|")
	for range c.Lines {
		fmt.Fprint(w, "---|")
	}
	fmt.Fprintln(w)
	for _, at := range c.At {
		fmt.Fprintf(w, "| %.0f |", at.X)
		for _, y := range at.Ys {
			fmt.Fprintf(w, " %s |", rounded(y))
		}
		fmt.Fprintln(w)
	}
}

// rounded has three significant digits.
func rounded(y float64) string {
	if y < 0 {
		return ""
	}
	digits := 0
	if y > 0 && y < 100 {
		digits = max(0, 2-int(math.Floor(math.Log10(y))))
	}
	return fmt.Sprintf("%.*f", digits, y)
}
