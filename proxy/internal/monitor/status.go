package monitor

import (
	"bytes"
	"cmp"
	_ "embed"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
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
