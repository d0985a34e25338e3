package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/local"
)

// controlTimeout is more than the slowest action takes, a start included.
const controlTimeout = 2 * time.Minute

// control calls the control API of a running local Lakebase.
type control struct {
	runtime local.Runtime
	client  *http.Client
}

// dataDirFlag is the value of --data-dir; empty means the default one.
type dataDirFlag string

func (f dataDirFlag) resolve() (string, error) {
	if f != "" {
		return string(f), nil
	}
	return local.DefaultDataDir()
}

// findLocal returns the local Lakebase that runs on the data directory.
func findLocal(flag dataDirFlag) (*control, error) {
	dir, err := flag.resolve()
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
	// Not by way of a proxy that the environment names: it is on this machine.
	return &control{runtime: runtime, client: &http.Client{Timeout: controlTimeout, Transport: &http.Transport{Proxy: nil}}}, nil
}

// call sends in as JSON, unless it is nil, and reads the answer into out,
// unless that is nil.
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
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return refusal(response.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// refusal words an answer that is an error.
func refusal(status string, answer []byte) error {
	var body struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(answer, &body); err != nil || body.Message == "" {
		return fmt.Errorf("the local Lakebase answered %s", status)
	}
	return errors.New(body.Message)
}

// targetPath is where the actions on target are; its slashes stay.
func targetPath(target, action string) string {
	parts := strings.Split(target, "/")
	for i, part := range parts {
		parts[i] = url.PathEscape(part)
	}
	return "targets/" + strings.Join(parts, "/") + ":" + action
}
