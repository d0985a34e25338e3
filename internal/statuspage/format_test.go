package statuspage

import (
	"testing"
	"time"
)

func TestFiguresAreShort(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", 999 * time.Microsecond: "0 s", 20 * time.Millisecond: "20 ms", 59 * time.Second: "59 s",
		61 * time.Second: "1 min 1 s", 26*time.Hour + time.Minute: "26 h 1 min", 49 * time.Hour: "2 days", -2 * time.Second: "-2 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v is shown as %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 123456: "123 kB", 1 << 63: "9.2 EB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d bytes are shown as %q, want %q", n, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := Count(n); got != want {
			t.Errorf("%d is shown as %q, want %q", n, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.00000012: "0 µs", 0.00034: "340 µs", 0.0012: "1.2 ms", 0.0123: "12 ms", 0.9996: "1 s", 2.34: "2.3 s"} {
		if got := seconds(v); got != want {
			t.Errorf("%v s are shown as %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.25: "0.3", 9.96: "10", 12.4: "12", 1234.5: "1\u202f235"} {
		if got := number(v); got != want {
			t.Errorf("%v is shown as %q, want %q", v, got, want)
		}
	}
	if got := minutes(90) + ", " + minutes(3300); got != "90 s, 55 min" {
		t.Errorf("got %q", got)
	}
}
