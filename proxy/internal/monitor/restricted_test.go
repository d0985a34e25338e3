package monitor

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Whatever the address of the monitor is, other machines and pages in a browser get no
// answer of a restricted path.
func TestCheckLocal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, host, site string
		allowed          bool
	}{
		{"127.0.0.1:7", "127.0.0.1:9090", "", true},
		{"[::1]:7", "localhost:9090", "", true},
		{"[::ffff:127.0.0.1]:7", "10.0.0.7:9090", "none", true},
		{"10.0.0.8:7", "10.0.0.7:9090", "", false},
		{"10.0.0.8:7", "localhost", "", false},
		{"127.0.0.1:7", "127.0.0.1:9090", "cross-site", false},
		{"127.0.0.1:7", "rebound.example:9090", "same-origin", false},
		{"@", "localhost", "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://"+c.host+"/quitquitquit", nil)
		r.RemoteAddr = c.from
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		w := httptest.NewRecorder()
		if got := checkLocal(w, r); got != c.allowed || !got && w.Code != http.StatusForbidden {
			t.Errorf("%+v: %v, status %d", c, got, w.Code)
		}
	}
}
