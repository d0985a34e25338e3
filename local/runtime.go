package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/atomicfile"
)

// Runtime is what other processes need to use a running server. It contains the
// default user's access token: do not print or log it.
type Runtime struct {
	PID          int       `json:"pid"`
	Started      time.Time `json:"started"`
	DataDir      string    `json:"data_dir"`
	WorkspaceURL string    `json:"workspace_url"`
	PostgresAddr string    `json:"postgres_addr"`
	DNSAddr      string    `json:"dns_addr"`
	RootCertFile string    `json:"root_cert_file"`
	Token        string    `json:"token"`
}

// ErrNotRunning is the error if no local Lakebase runs on a data directory.
var ErrNotRunning = errors.New("no local Lakebase is running")

// ReadRuntime returns the runtime of the server that runs on dataDir. If none
// does, the error is [ErrNotRunning].
func ReadRuntime(dataDir string) (Runtime, error) {
	dirs := dataPaths{dataDir}
	if !locked(dirs.lockFile()) {
		return Runtime{}, fmt.Errorf("%w on %s: start it with lakebase local", ErrNotRunning, dataDir)
	}
	return readRuntimeFile(dirs.runtimeFile())
}

func readRuntimeFile(file string) (Runtime, error) {
	var r Runtime
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("%w yet on %s: it is starting or ending", ErrNotRunning, filepath.Dir(file))
	}
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(data, &r)
}

func (r Runtime) write(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Replace(file, data, 0o600)
}

// alreadyRunning returns the error for a data directory that is locked.
func alreadyRunning(dirs dataPaths) error {
	running := "a local Lakebase is already running"
	if r, err := readRuntimeFile(dirs.runtimeFile()); err == nil {
		running += fmt.Sprintf(" (pid %d, %s)", r.PID, r.WorkspaceURL)
	}
	return fmt.Errorf("%s on %s: use that one, or run another with a data directory of its own (LAKEBASE_LOCAL_DIR) or none (ephemeral)", running, dirs.root)
}
