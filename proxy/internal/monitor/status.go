package monitor

import (
	"cmp"
	_ "embed"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/lakebase-go/lakebase/internal/statuspage"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

const (
	// statusRefresh is how often a browser updates a page.
	statusRefresh = 5 * time.Second

	// statusClients is how many clients a page shows, those first that have waited
	// or worked longest.
	statusClients = 25
)

//go:embed status.html
var statusSource string

var pages = statuspage.Parse(statusSource, statusRefresh, template.FuncMap{
	"percent":     func(part, whole int) int { return 100 * part / max(whole, 1) },
	"connections": func(p snapshot.Pool) int { return p.Servers() + p.ServersConnecting },
	"database":    database,
})

// status is what the pages show: all of the proxy, one pool or one client.
type status struct {
	*snapshot.Proxy
	State, Problem string
	Now            time.Time
	Uptime         time.Duration
	Plots          []statuspage.Plot
	MoreClients    int

	Pool   snapshot.Pool
	Client snapshot.Client
}

func (m *Monitor) status() *status {
	now := time.Now()
	page := &status{Proxy: m.proxy.Snapshot(), State: "ready", Now: now.UTC().Truncate(time.Second)}
	page.Uptime = now.Sub(page.Began)
	if err := m.proxy.Ready(); err != nil {
		page.State, page.Problem = "not ready", err.Error()
	}
	return page
}

func (m *Monitor) overview(*http.Request) (*status, bool) {
	page := m.status()
	page.Plots = m.plots("", page.Proxy)
	page.shortenClients()
	return page, true
}

// poolDetails is the page of the pool that the query names as clients do.
func (m *Monitor) poolDetails(r *http.Request) (*status, bool) {
	page, name := m.status(), r.FormValue("name")
	i := slices.IndexFunc(page.Databases(), func(p snapshot.Pool) bool { return p.Name() == name })
	if i < 0 {
		return page, false
	}
	page.Pool = page.Databases()[i]
	page.Plots = m.plots(name, page.Proxy)
	page.Clients = slices.DeleteFunc(page.Clients, func(c snapshot.Client) bool { return database(c) != name })
	page.Servers = slices.DeleteFunc(page.Servers, func(s snapshot.Server) bool {
		return snapshot.Database{Target: s.Target, Name: s.Database}.String() != name
	})
	page.shortenClients()
	return page, true
}

// clientDetails is the page of the client whose ID the query has.
func (m *Monitor) clientDetails(r *http.Request) (*status, bool) {
	page := m.status()
	id, _ := strconv.ParseUint(r.FormValue("id"), 10, 64)
	i := slices.IndexFunc(page.Clients, func(c snapshot.Client) bool { return c.ID == id && id != 0 })
	if i < 0 {
		return page, false
	}
	page.Client = page.Clients[i]
	page.Servers = slices.DeleteFunc(page.Servers, func(s snapshot.Server) bool { return s.ClientID != id })
	return page, true
}

// database is the name by which a client reached its database, empty for the
// console and before the login.
func database(c snapshot.Client) string {
	if c.Target == "" {
		return ""
	}
	return snapshot.Database{Target: c.Target, Name: c.Database}.String()
}

func (s *status) shortenClients() {
	slices.SortStableFunc(s.Clients, func(a, b snapshot.Client) int {
		return cmp.Or(cmp.Compare(urgency(a), urgency(b)), cmp.Compare(b.Waiting, a.Waiting), a.Requested.Compare(b.Requested))
	})
	s.MoreClients = max(len(s.Clients)-statusClients, 0)
	s.Clients = s.Clients[:len(s.Clients)-s.MoreClients]
}

// urgency orders clients: lower values come first.
func urgency(c snapshot.Client) int {
	return slices.Index([]string{snapshot.ClientWaiting, snapshot.ClientActive, snapshot.ClientLogin, snapshot.ClientIdle}, c.State)
}

// page answers with a page, or with 404 if what it shows is not there any more.
func (m *Monitor) page(name string, find func(*http.Request) (*status, bool)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		page, found := find(r)
		if !found {
			http.Error(w, "there is no such "+name+" any more", http.StatusNotFound)
			return
		}
		if err := statuspage.Write(w, pages, name, page); err != nil {
			m.log.Error("cannot render the status page", "error", err)
			http.Error(w, "cannot render the status page", http.StatusInternalServerError)
		}
	}
}
