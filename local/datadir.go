package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ephemeralPrefix begins the names of temporary data directories.
const ephemeralPrefix = "lakebase-local-"

// dataDir is a locked data directory.
type dataDir struct {
	dataPaths
	ephemeral bool // removed by close
	lock      *os.File
}

// openDataDir creates and locks the data directory root, or a temporary one if
// root is empty. Close the result even after an error, unless it is nil.
func openDataDir(root string) (*dataDir, error) {
	d := &dataDir{}
	if root == "" {
		parent := ephemeralParent()
		removeAbandoned(parent)
		tmp, err := os.MkdirTemp(parent, ephemeralPrefix)
		if err != nil {
			return nil, err
		}
		root, d.ephemeral = tmp, true
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	d.dataPaths = dataPaths{root}
	if err := d.create(); err != nil {
		return d, fmt.Errorf("data directory: %w", err)
	}
	lock, ok, err := lockFile(d.lockFile())
	if err != nil {
		return d, err
	}
	if !ok {
		return d, alreadyRunning(d.dataPaths)
	}
	d.lock = lock
	return d, nil
}

// close unlocks the directory, after removing it if it is ephemeral.
func (d *dataDir) close() error {
	var errs []error
	if d.ephemeral {
		errs = append(errs, os.RemoveAll(d.root))
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// dataPaths are the paths in a data directory.
type dataPaths struct{ root string }

func (d dataPaths) stateFile() string    { return filepath.Join(d.root, "state.json") }
func (d dataPaths) keyDir() string       { return filepath.Join(d.root, "keys") }
func (d dataPaths) clusterDir() string   { return filepath.Join(d.root, "clusters") }
func (d dataPaths) authorityDir() string { return filepath.Join(d.root, "authority") }
func (d dataPaths) lockFile() string     { return filepath.Join(d.root, "lock") }
func (d dataPaths) runtimeFile() string  { return filepath.Join(d.root, "run.json") }

// create creates the directories. If root runs this, the PostgreSQL servers run
// as another user, who needs to reach the clusters; the keys stay closed.
func (d dataPaths) create() error {
	pass := os.FileMode(0o700)
	if os.Geteuid() == 0 {
		pass = 0o711
	}
	for dir, mode := range map[string]os.FileMode{d.root: pass, d.clusterDir(): pass, d.keyDir(): 0o700, d.authorityDir(): pass} {
		if err := os.MkdirAll(dir, mode); err != nil {
			return err
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		if perm := info.Mode().Perm(); perm&mode != mode {
			if err := os.Chmod(dir, perm|mode); err != nil {
				return err
			}
		}
	}
	return nil
}

// requireNoClusters protects data that this program did not create: without a
// state nothing refers to it, and it would be removed.
func (d dataPaths) requireNoClusters() error {
	entries, err := os.ReadDir(d.clusterDir())
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty, but there is no state.json beside it: restore that, or remove the directory", d.clusterDir())
	}
	return nil
}
