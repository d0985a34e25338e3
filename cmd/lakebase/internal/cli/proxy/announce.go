package proxy

import (
	"fmt"
	"net"
	"net/url"
	"os"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/proxy"
)

// Readiness is what `lakebase proxy -o json` prints, on one line, once
// clients can connect. Fields are only ever added.
type Readiness struct {
	Status        string `json:"status"` // "ready"
	PID           int    `json:"pid"`
	Addr          string `json:"addr,omitempty"` // host:port; absent without TCP
	UnixSocketDir string `json:"unix_socket_dir,omitempty"`
	HTTPAddr      string `json:"http_addr,omitempty"` // host:port of the health checks
	Target        string `json:"target"`
	Database      string `json:"database"`
	URL           string `json:"url"` // to connect to; without a password
}

// announce prints that server is ready, and a command that connects to it.
func announce(std *terminal.Streams, c *configuration, server *proxy.Server, output command.Output) error {
	target, database := c.mainTarget()
	r := Readiness{Status: "ready", PID: os.Getpid(), UnixSocketDir: c.proxy.UnixSocketDir, Target: target, Database: database}
	u := url.URL{Scheme: "postgresql", User: url.User("lakebase"), Path: "/" + database}
	if http := server.HTTPAddr(); http != nil {
		r.HTTPAddr = http.String()
	}
	if tcp, ok := server.Addr().(*net.TCPAddr); ok {
		r.Addr, u.Host = tcp.String(), tcp.String()
	} else {
		u.RawQuery = url.Values{"host": {r.UnixSocketDir}}.Encode()
	}
	if c.proxy.Users != nil {
		u.User = url.User("USER")
	}
	r.URL = u.String()
	if output.JSON() {
		return std.PrintJSON(r)
	}
	paint := terminal.PainterFor(std.Err)
	_, err := fmt.Fprintf(std.Err, "%s for %s\n\n  psql %s\n\nCtrl-C stops it.\n",
		paint.Paint(terminal.Green, "The proxy is ready"), target, paint.Paint(terminal.Bold, shellword.Quoted(r.URL)))
	return err
}
