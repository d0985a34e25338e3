//go:build unix

package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// cacheEnv is the variable with the cache's directory.
const cacheEnv = "LAKEBASE_CACHE_DIR"

// cache is a directory with entries that are expensive to build and do not change
// afterwards. Any number of processes may use it at once.
type cache string

func openCache() (cache, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); err == nil {
		return cache(dir), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("create the cache directory (%s sets another): %w", cacheEnv, err)
	}
	// Independent of the umask: servers of other users run programs from here.
	return cache(dir), os.Chmod(dir, 0o755)
}

func cacheDir() (string, error) {
	if dir := os.Getenv(cacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/cache/lakebase", nil // root's home is closed to other users
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no directory for a cache: set HOME or %s: %w", cacheEnv, err)
	}
	return filepath.Join(base, "lakebase"), nil
}

// get returns the path of an entry. If it does not exist, build fills an empty
// directory, which is then renamed: of concurrent builders the first wins, and
// the others use its entry.
func (c cache) get(name string, build func(dir string) error) (string, error) {
	final := filepath.Join(string(c), name)
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	tmp, err := os.MkdirTemp(string(c), "building-")
	if err != nil {
		return "", fmt.Errorf("write to the cache (%s sets another): %w", cacheEnv, err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	dir := filepath.Join(tmp, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	if err := build(dir); err != nil {
		return "", err
	}
	if err := os.Rename(dir, final); err != nil {
		if _, lost := os.Stat(final); lost == nil {
			return final, nil
		}
		return "", fmt.Errorf("move into the cache: %w", err)
	}
	return final, nil
}

// cacheKey returns the name of an entry, a digest of everything that it depends
// on.
func cacheKey(kind string, parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:", len(part))
		io.WriteString(h, part)
	}
	return kind + "-" + hex.EncodeToString(h.Sum(nil))[:24]
}
