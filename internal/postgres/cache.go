//go:build unix

package postgres

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// cacheEnv is the variable with the cache's directory.
const cacheEnv = "LAKEBASE_CACHE_DIR"

// cached returns the path of an entry of the cache: something that is expensive to
// build and does not change afterwards. If it does not exist, build creates it as
// builder. Any number of processes may call it at once: the first that has built
// the entry wins, and the others use it.
func cached(name string, builder *account, build func(path string) error) (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	entry := filepath.Join(dir, name)
	if exists(entry) {
		return entry, nil
	}
	if !exists(dir) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("create the cache directory (%s sets another): %w", cacheEnv, err)
		}
		// Independent of the umask: servers of other users run programs from here.
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", err
		}
	}
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return "", fmt.Errorf("write to the cache %s (%s sets another): %w", dir, cacheEnv, err)
	}
	if err := createDir(entry, builder, build); err != nil && !exists(entry) {
		return "", err
	}
	return entry, nil
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

// cacheKey returns the name of an entry, a digest of everything that it depends
// on: strings, and structures and maps of strings.
func cacheKey(kind string, parts ...any) string {
	digest := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return kind + "-" + hex.EncodeToString(digest[:12])
}
