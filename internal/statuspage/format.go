package statuspage

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration formats a duration in one or two units.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < time.Millisecond:
		return "0 s"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// Count formats a whole number in groups of three digits.
func Count(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// byteSize formats a number of bytes in the unit that fits.
func byteSize(n uint64) string {
	units := strings.Fields("B kB MB GB TB PB EB")
	size := float64(n)
	for size >= 1000 && len(units) > 1 {
		size, units = size/1000, units[1:]
	}
	if size >= 100 || units[0] == "B" {
		return fmt.Sprintf("%.0f %s", size, units[0])
	}
	return fmt.Sprintf("%.1f %s", size, units[0])
}

// number formats a value of a plot, with a decimal where it is small.
func number(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	}
	return Count(int64(math.Round(v)))
}

// seconds formats a short time as a value of a plot.
func seconds(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.000995:
		return fmt.Sprintf("%.0f µs", v*1e6)
	case v < 0.00995:
		return fmt.Sprintf("%.1f ms", v*1e3)
	case v < 0.9995:
		return fmt.Sprintf("%.0f ms", v*1e3)
	}
	return number(v) + " s"
}

// minutes formats seconds as a value of a plot.
func minutes(v float64) string {
	if v < 120 {
		return fmt.Sprintf("%.0f s", v)
	}
	return fmt.Sprintf("%s min", number(v/60))
}
