package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/proxy"
)

// proxyReadiness is what `lakebase proxy -o json` prints, on one line, once
// clients can connect. Fields are only ever added.
type proxyReadiness struct {
	Status   string `json:"status"` // "ready"
	PID      int    `json:"pid"`
	Addr     string `json:"addr,omitempty"` // host:port; absent without TCP
	UnixDir  string `json:"unix_dir,omitempty"`
	HTTPAddr string `json:"http_addr,omitempty"` // host:port of the health checks
	Target   string `json:"target"`
	Database string `json:"database"`
	URL      string `json:"url"` // to connect to; without a password
}

// announceProxy says that server is ready and what to paste.
func announceProxy(a *app, p *proxySetup, server *proxy.Server, output outputFormat) error {
	main := p.targets.main(p.config)
	r := proxyReadiness{Status: "ready", PID: os.Getpid(), UnixDir: p.config.UnixDir, Target: main.name, Database: main.database}
	u := url.URL{Scheme: "postgresql", User: url.User("lakebase"), Path: "/" + main.database}
	if http := server.HTTPAddr(); http != nil {
		r.HTTPAddr = http.String()
	}
	if tcp, ok := server.Addr().(*net.TCPAddr); ok {
		r.Addr, u.Host = tcp.String(), tcp.String()
	} else {
		u.RawQuery = url.Values{"host": {r.UnixDir}}.Encode()
	}
	if p.config.Users != nil {
		u.User = url.User("USER")
	}
	r.URL = u.String()
	if output == outputJSON {
		return json.NewEncoder(a.stdout).Encode(r)
	}
	paint := painterFor(a.stderr)
	_, err := fmt.Fprintf(a.stderr, "%s for %s\n\n  psql %s\n\nCtrl-C stops it.\n",
		paint.paint(green, "The proxy is ready"), main.name, paint.paint(bold, shellword.Quoted(r.URL)))
	return err
}
