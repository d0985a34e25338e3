package spelling

import "testing"

func TestNearest(t *testing.T) {
	names := []string{"pool_size", "database", "user", "connect_timeout"}
	for word, want := range map[string]string{
		"poolsize": "pool_size", "data_base": "database", "usr": "user", "connect-timeout": "connect_timeout",
		"zzzzzzzz": "", "x": "", "": "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := editDistance(test.a, test.b); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
