package monitor

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

const (
	// statusRefresh is how often a browser reloads the status page.
	statusRefresh = 5 * time.Second

	// statusClients is how many clients the page shows, those first that have
	// waited or worked longest.
	statusClients = 25
)

//go:embed status.html
var statusSource string

var statusTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago":         func(t time.Time) string { return brief(time.Since(t)) },
	"brief":       brief,
	"count":       count,
	"bytes":       byteSize,
	"percent":     func(part, whole int) int { return 100 * part / max(whole, 1) },
	"connections": func(p snapshot.Pool) int { return p.Servers() + p.ServersConnecting },
}).Parse(statusSource))

// status is what the status page shows.
type status struct {
	*snapshot.Proxy
	State, Problem string
	Now            time.Time
	Uptime         time.Duration
	Refresh        int // seconds
	MoreClients    int
}

func newStatus(proxy Proxy) status {
	now := time.Now()
	page := status{Proxy: proxy.Snapshot(), State: "ready", Now: now.UTC().Truncate(time.Second), Refresh: int(statusRefresh / time.Second)}
	page.Uptime = now.Sub(page.Began)
	if err := proxy.Ready(); err != nil {
		page.State, page.Problem = "not ready", err.Error()
	}
	slices.SortStableFunc(page.Clients, func(a, b snapshot.Client) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(b.Waiting, a.Waiting), a.Requested.Compare(b.Requested))
	})
	page.MoreClients = max(len(page.Clients)-statusClients, 0)
	page.Clients = page.Clients[:len(page.Clients)-page.MoreClients]
	return page
}

// urgency orders clients: lower values come first.
func urgency(c snapshot.Client) int {
	return slices.Index([]string{snapshot.ClientWaiting, snapshot.ClientActive, snapshot.ClientLogin, snapshot.ClientIdle}, c.State)
}

func statusPage(proxy Proxy, log *slog.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		var page bytes.Buffer
		if err := statusTemplate.Execute(&page, newStatus(proxy)); err != nil {
			log.Error("cannot render the status page", "error", err)
			http.Error(w, "cannot render the status page", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page.Bytes())
	}
}

// brief formats a duration in one or two units.
func brief(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + brief(-d)
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

// count formats a number in groups of three digits.
func count(n any) string {
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
