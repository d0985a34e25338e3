package local

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/local"
)

// dataDir is the value of --data-dir. Empty means the default.
type dataDir string

func (d *dataDir) resolve() (string, error) {
	if *d != "" {
		return string(*d), nil
	}
	return local.DefaultDataDir()
}

// control returns the control API of the local Lakebase that runs on the data
// directory.
func (d *dataDir) control() (*control, error) {
	dir, err := d.resolve()
	if err != nil {
		return nil, err
	}
	runtime, err := local.ReadRuntime(dir)
	switch {
	case errors.Is(err, local.ErrNotRunning):
		return nil, &command.Error{
			Code:    command.ExitNotRunning,
			Message: "no local Lakebase is running on " + dir,
			Hint:    "start it with: lakebase local; for one with other data, give its --data-dir",
		}
	case err != nil:
		return nil, err
	}
	// It is on this machine: an HTTP proxy of the environment does not apply.
	transport := &http.Transport{Proxy: nil}
	if pem, err := os.ReadFile(runtime.RootCertFile); err == nil { // needed with --rest-tls
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem)
	}
	return &control{runtime: runtime, client: &http.Client{Timeout: controlTimeout, Transport: transport}}, nil
}

// completeTarget completes a target of the running local Lakebase. It is a
// cobra.CompletionFunc.
func (d *dataDir) completeTarget(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), command.CompletionTimeout)
	defer cancel()
	c, err := d.control()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var status local.Status
	if err := c.call(ctx, http.MethodGet, "status", nil, &status); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, e := range status.Endpoints {
		if strings.HasPrefix(e.Target, toComplete) {
			names = append(names, cobra.CompletionWithDesc(e.Target, string(e.State)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// controlTimeout is more than the slowest action takes, a start included.
const controlTimeout = 2 * time.Minute

// control calls the control API of a running local Lakebase.
type control struct {
	runtime local.Runtime
	client  *http.Client
}

// call sends in as JSON and decodes the reply into out. Either may be nil.
func (c *control) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		document, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(document)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.runtime.WorkspaceURL+"/local/v1/"+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.runtime.Token)
	response, err := c.client.Do(request)
	if err != nil {
		return fmt.Errorf("the local Lakebase (pid %d) does not answer: %w", c.runtime.PID, err)
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(response.Body)
	var refused struct{ Message string }
	switch {
	case err != nil:
		return err
	case response.StatusCode == http.StatusOK && out != nil:
		return json.Unmarshal(reply, out)
	case response.StatusCode == http.StatusOK:
		return nil
	case json.Unmarshal(reply, &refused) == nil && refused.Message != "":
		return errors.New(refused.Message)
	}
	return fmt.Errorf("the local Lakebase answered %s", response.Status)
}

// newActionCommands are the commands that change the state of an instance or
// endpoint.
func newActionCommands(dir *dataDir) []*cobra.Command {
	pause := 2 * time.Second
	failover := newActionCommand(dir, "failover", "projects/my-project --duration 10s", "Cut its sessions and refuse logins for a while", func() any {
		return map[string]local.Duration{"duration": local.Duration(pause)}
	})
	failover.Flags().DurationVar(&pause, "duration", pause, "how long logins are refused")
	var endpoint struct{ ID string }
	reader := newActionCommand(dir, "read-only", "projects/my-project --id reader", "Add a read-only endpoint to the branch", func() any { return endpoint })
	reader.Flags().StringVar(&endpoint.ID, "id", "read-only", "id of the endpoint; status shows its host")
	var login struct{ Off bool }
	native := newActionCommand(dir, "native-login", "projects/my-project", "Let roles with a password of their own log in", func() any { return login })
	native.Flags().BoolVar(&login.Off, "off", false, "refuse them again, which is the default")
	empty := func() any { return nil }
	return []*cobra.Command{
		newActionCommand(dir, "stop", "projects/my-project", "Stop an instance or disable an endpoint, until start", empty),
		newActionCommand(dir, "start", "projects/my-project", "End a stop", empty),
		newActionCommand(dir, "suspend", "projects/my-project", "Suspend an endpoint; the next connection wakes it", empty),
		failover,
		reader,
		native,
	}
}

// newActionCommand sends the action of that name, and returns when it is done.
func newActionCommand(dir *dataDir, action, example, short string, body func() any) *cobra.Command {
	return &cobra.Command{
		Use:     action + " [TARGET]",
		Short:   short,
		Example: "  lakebase local " + action + "\n  lakebase local " + action + " " + example,
		Long: short + `.

TARGET is an instance, or the path of a project, branch or endpoint. The
default is the one that "lakebase local env" leads to.`,
		Args:              command.AtMostOneArgument("target"),
		ValidArgsFunction: dir.completeTarget,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := dir.control()
			if err != nil {
				return err
			}
			path := url.URL{Path: "targets/" + command.Optional(args) + ":" + action}
			return c.call(cmd.Context(), http.MethodPost, path.EscapedPath(), body(), nil)
		},
	}
}
