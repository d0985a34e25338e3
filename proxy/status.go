package proxy

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

const (
	// statusRefresh is how often a browser loads the status page again.
	statusRefresh = 5 * time.Second

	// statusClients are shown, those first that have waited or worked longest.
	statusClients = 25
)

//go:embed status.html
var statusSource string

var statusTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
	"ago":         func(t time.Time) string { return brief(time.Since(t)) },
	"brief":       brief,
	"count":       count,
	"bytes":       byteSize,
	"poolName":    consoleName,
	"connections": func(p PoolInfo) int { return p.ServersActive + p.ServersIdle + p.ServersResting + p.ServersConnecting },
	"clients":     func(p PoolInfo) int { return p.ClientsActive + p.ClientsWaiting + p.ClientsIdle },
	"percent":     func(part, whole int) int { return 100 * part / max(whole, 1) },
}).Parse(statusSource))

// status is what the status page shows.
type status struct {
	Product, State, Problem string
	Now                     time.Time
	Uptime                  time.Duration
	Refresh                 int // seconds
	Config                  *Config
	Stats                   Stats
	Consoles                int64
	Pools                   []PoolInfo
	Targets                 []targetStatus
	Clients                 []ClientInfo
	MoreClients             int
}

type targetStatus struct {
	Name, Host, User, Token string
	Default                 bool
	Expiry                  time.Time
	Conns                   int64
	Stats                   lakebase.Stats
	LastError               string
}

// status looks at everything once.
func (s *Server) status() status {
	now := time.Now()
	page := status{Product: productVersion(), State: "ready", Now: now.UTC().Truncate(time.Second), Uptime: now.Sub(s.began),
		Refresh: int(statusRefresh / time.Second), Config: s.config(), Stats: s.Stats(), Consoles: s.consoles.Load(),
		Pools: mergePools(s.Pools(), consoleName), Clients: s.Clients()}
	if err := s.ready(); err != nil {
		page.State, page.Problem = "not ready", err.Error()
	}
	failures := map[string]string{}
	for _, p := range page.Pools {
		failures[p.Target] = cmp.Or(failures[p.Target], p.LastError)
	}
	targets := s.settings.Load().targets // all at one moment: a reload may remove some
	for _, name := range slices.Sorted(maps.Keys(targets)) {
		t := targets[name]
		stats, seen := t.connector.Stats(), t.seen()
		page.Targets = append(page.Targets, targetStatus{Name: name, Host: seen.host, User: seen.user, Default: name == page.Config.DefaultTarget,
			Token: tokenState(stats), Expiry: stats.TokenExpiry, Conns: t.places.count(), Stats: stats, LastError: failures[name]})
	}
	slices.SortStableFunc(page.Clients, func(a, b ClientInfo) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(b.Waiting, a.Waiting), a.Requested.Compare(b.Requested))
	})
	page.MoreClients = max(len(page.Clients)-statusClients, 0)
	page.Clients = page.Clients[:len(page.Clients)-page.MoreClients]
	return page
}

// urgency is how early a client is shown.
func urgency(c ClientInfo) int {
	return slices.Index([]string{clientWaiting, clientActive, clientLogin, clientIdle}, c.State)
}

func (s *Server) statusPage(w http.ResponseWriter, _ *http.Request) {
	var page bytes.Buffer
	if err := statusTemplate.Execute(&page, s.status()); err != nil {
		s.log.Error("cannot make the status page", "err", err)
		http.Error(w, "cannot make the status page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes())
}

// brief is a duration in one or two units.
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

// count writes a number in groups of three digits.
func count(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u202f" + digits[i:]
	}
	return digits
}

// byteSize writes a number of bytes in the unit that fits.
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
