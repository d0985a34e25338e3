package local

import (
	"fmt"
	"io"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// Ready is what `lakebase local -o json` prints, on one line, once clients can
// connect. Fields are only ever added.
type Ready struct {
	Status       string            `json:"status"` // "ready"
	PID          int               `json:"pid"`
	WorkspaceURL string            `json:"workspace_url"`
	PostgresAddr string            `json:"postgres_addr"`
	DNSAddr      string            `json:"dns_addr"`
	RootCert     string            `json:"root_cert"` // file to trust
	User         string            `json:"user"`
	DataDir      string            `json:"data_dir"`
	Ephemeral    bool              `json:"ephemeral"` // data_dir is deleted at the end
	ReadyMS      int64             `json:"ready_ms"`
	Env          map[string]string `json:"env"` // for a client of the default target; holds a secret
}

// announce prints that the server is ready, and how to connect.
func announce(std *terminal.Streams, o *options, server *local.Server, took time.Duration) error {
	variables, err := server.Env("")
	if err != nil {
		return err
	}
	status := server.Status()
	r := Ready{
		Status:       "ready",
		PID:          status.PID,
		WorkspaceURL: status.WorkspaceURL,
		PostgresAddr: status.PostgresAddr,
		DNSAddr:      status.DNSAddr,
		RootCert:     status.RootCertFile,
		User:         status.User,
		DataDir:      status.DataDir,
		Ephemeral:    status.Ephemeral,
		ReadyMS:      took.Milliseconds(),
		Env:          asMap(variables),
	}
	if o.output.JSON() {
		return std.PrintJSON(r)
	}
	return r.Print(std.Out)
}

// Print writes r for people.
func (r Ready) Print(w io.Writer) error {
	p := terminal.PainterFor(w)
	data, flag := "kept", ""
	if r.Ephemeral {
		data = "deleted at the end"
	}
	if usual, err := local.DefaultDataDir(); err != nil || usual != r.DataDir {
		flag = " --data-dir " + shellword.Quoted(r.DataDir)
	}
	_, err := fmt.Fprintf(w, `%s after %d ms

  Postgres    %s, as %s
  workspace   %s
  trust       %s
  data        %s (%s)

In another terminal:

  %s

Ctrl-C stops it.
`, p.Paint(terminal.Green, "The local Lakebase is ready"), r.ReadyMS,
		r.PostgresAddr, r.User, r.WorkspaceURL, r.RootCert, r.DataDir, data,
		p.Paint(terminal.Bold, shells["sh"].load("lakebase local env"+flag)))
	return err
}
