package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// leg is the part of a connection that a check measures, and what it means that
// this takes long: where the network is the reason, and where it is not.
type leg struct {
	name      string
	workspace bool   // its other end, in place of the database
	trips     int    // round trips that it takes at least
	far, near string // what to do
}

const (
	runCloser  = "run closer to it, in its region, or find what slows the network between"
	askService = "look at the load of the compute, and at its size in the workspace"
	askStatus  = "nothing here: the workspace takes that time; see the status page of its cloud and region"
)

var legs = map[string]leg{
	"workspace":   {"the login to the workspace and its REST reply", true, 4, runCloser, askStatus},
	"target":      {"the workspace's REST reply", true, 1, runCloser, askStatus},
	"token":       {"the workspace's REST reply", true, 1, runCloser, askStatus},
	"dns":         {"DNS", false, 0, "", "find out with -v which resolver is slow; LAKEBASE_DNS_SERVERS names others"},
	"tcp":         {"TCP", false, 1, runCloser, "find what loses packets on the way: the first one is sent again after a second"},
	"tls":         {"the TLS handshake", false, 2, runCloser, askService},
	"login":       {"the login", false, 4, runCloser, askService},
	"role":        {"the query", false, 2, runCloser, askService},
	"server":      {"the query", false, 2, runCloser, askService},
	"connections": {"the query", false, 2, runCloser, askService},
	"schema":      {"the query", false, 2, runCloser, "nothing, if the schema is large"},
}

// judgeTime adds a warning to a check that passed and took long, unless it waited for
// a database on its way up.
func (v *visit) judgeTime(ctx context.Context, check string, r Result, took time.Duration) Result {
	l, measured := legs[check]
	if v.options.Slow <= 0 || took < v.options.Slow || v.waited || !measured || r.Status == Failed || r.Status == Skipped {
		return r
	}
	trip := v.roundTrip
	if l.workspace {
		trip = v.workspaceTrip(ctx)
	}
	p := problem("slow: %s took %s", l.name, rounded(took))
	switch {
	case l.trips == 0 || trip == 0:
		p = p.means("the round-trip time is not known").do(l.near)
		if l.trips == 0 {
			p.Meaning = "each name that is not cached costs a program as much"
		}
	case trip*time.Duration(2*l.trips) >= took:
		p.Summary += fmt.Sprintf(", at a round-trip time of %s", rounded(trip))
		p = p.means("the network takes most of it").do(l.far)
	default:
		p.Summary += fmt.Sprintf(", at a round-trip time of %s", rounded(trip))
		p = p.means("the network does not take it: the other end does").do(l.near)
	}
	if check == "tcp" {
		p = p.means("the round trip itself takes that long, or its first packet was lost").do(l.near)
	}
	if r.Status == Warning { // which keeps its own meaning and advice
		r.Summary += "; " + p.Summary
		return r
	}
	return r.warn(p)
}

// workspaceTrip measures the round-trip time to the workspace. It is 0 where that is
// not reached directly.
func (v *visit) workspaceTrip(ctx context.Context) time.Duration {
	u, err := url.Parse(v.workspaceURL)
	if err != nil || u.Host == "" {
		return 0
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u}); err != nil || proxy != nil {
		return 0
	}
	port := cmp.Or(u.Port(), map[string]string{"http": "80"}[u.Scheme], "443")
	ctx, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	began := time.Now()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return 0
	}
	took := time.Since(began) // the name is resolved from a cache by now
	_ = conn.Close()
	return took
}
