package monitor

import (
	"fmt"
	"net/http"
	"net/http/pprof"
	"net/netip"

	"github.com/lakebase-go/lakebase/internal/statuspage"
)

// restricted are the paths that answer clients of this machine alone, or of the same pod,
// at whatever address the monitor listens, and no page of a browser.
func restricted(mux *http.ServeMux, proxy Proxy) {
	debug := func(pattern string, handler http.HandlerFunc) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if !proxy.Debug() {
				http.NotFound(w, r)
			} else if checkLocal(w, r) {
				handler(w, r)
			}
		})
	}
	debug("GET /debug/pprof/", pprof.Index)
	debug("GET /debug/pprof/profile", pprof.Profile)
	debug("GET /debug/pprof/symbol", pprof.Symbol)
	debug("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /quitquitquit", func(w http.ResponseWriter, r *http.Request) {
		if quit := proxy.OnQuit(); quit == nil {
			http.NotFound(w, r)
		} else if checkLocal(w, r) {
			quit()
			fmt.Fprintln(w, "ok")
		}
	})
}

// browsers send a page's requests to other hosts with headers that say so.
var browsers = http.NewCrossOriginProtection()

// checkLocal reports whether a request may be answered, or refuses it.
func checkLocal(w http.ResponseWriter, r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() || !statuspage.IsLocal(r.Host) || browsers.Check(r) != nil {
		http.Error(w, "this path answers programs on this machine alone", http.StatusForbidden)
		return false
	}
	return true
}
