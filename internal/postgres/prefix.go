//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// program is a postgres that offers some extensions.
type program struct {
	path string
	args []string
}

// program returns the installation's postgres, or one that offers the extensions
// in addition to the system's.
func (in *Installation) program(ctx context.Context, a *account, extensions []Extension) (program, error) {
	if len(extensions) == 0 {
		return program{path: in.postgres()}, nil
	}
	files := map[string]string{}
	for _, e := range extensions {
		f, err := e.files()
		if err != nil {
			return program{}, err
		}
		maps.Copy(files, f)
	}
	c, err := openCache()
	if err != nil {
		return program{}, err
	}
	if in.Major >= 18 {
		return in.withControlPath(c, extensions, files)
	}
	return in.withPrefix(ctx, c, a, extensions, files)
}

func (in *Installation) postgres() string { return filepath.Join(in.BinDir, "postgres") }

// withControlPath sets the directory of the extensions with a setting that
// version 18 introduced.
func (in *Installation) withControlPath(c cache, extensions []Extension, files map[string]string) (program, error) {
	key := cacheKey("extensions", extensionParts(extensions)...)
	dir, err := c.get(key, func(dir string) error {
		return writeFiles(filepath.Join(dir, "extension"), files)
	})
	if err != nil {
		return program{}, err
	}
	return program{
		path: in.postgres(),
		args: []string{"-c", "extension_control_path=$system:" + dir},
	}, nil
}

// withPrefix creates a private installation. Before version 18, PostgreSQL finds
// extensions only in its share directory, which it finds relative to its own
// executable: a copy of the executable, with links to everything else, can have
// another extension directory.
func (in *Installation) withPrefix(ctx context.Context, c cache, a *account, extensions []Extension, files map[string]string) (program, error) {
	l, err := in.findLayout(ctx, a)
	if err != nil {
		return program{}, err
	}
	system, err := os.ReadDir(filepath.Join(l.share, "extension"))
	if err != nil {
		return program{}, err
	}
	// An extension that is installed later must not stay invisible.
	parts := append([]string{in.build, l.bin, l.share, l.lib}, extensionParts(extensions)...)
	for _, entry := range system {
		parts = append(parts, entry.Name())
	}
	prefix, err := c.get(cacheKey("prefix", parts...), func(dir string) error {
		return l.build(dir, system, files)
	})
	if err != nil {
		return program{}, fmt.Errorf("create a private PostgreSQL with more extensions: %w", err)
	}
	return program{path: filepath.Join(prefix, l.rel(l.bin), "postgres")}, nil
}

// layout has the directories of an installation.
type layout struct {
	bin   string
	share string
	lib   string // of loadable modules
	root  string // longest common parent of the others
}

// findLayout asks the installation's programs, once.
func (in *Installation) findLayout(ctx context.Context, a *account) (layout, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.layout != nil {
		return *in.layout, nil
	}
	l := layout{bin: in.BinDir}
	var err error
	if l.share, err = in.shareDir(ctx, a); err != nil {
		return layout{}, err
	}
	if l.lib, err = in.moduleDir(ctx); err != nil {
		return layout{}, err
	}
	l.root = commonDir(commonDir(l.bin, l.share), l.lib)
	if l.root == "/" {
		return layout{}, fmt.Errorf("PostgreSQL at %s keeps its share directory at %s, too far away to add extensions: use version 18 or another package", l.bin, l.share)
	}
	in.layout = &l
	return l, nil
}

// shareDir returns the share directory that initdb prints.
func (in *Installation) shareDir(ctx context.Context, a *account) (string, error) {
	out := newServerLog(nil)
	out.keep = 100
	if err := in.run(ctx, a, "/", out, "initdb", "--show", "-D", "/nonexistent"); err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(out.text("\n"), "\n") {
		if dir, ok := strings.CutPrefix(line, "share_path="); ok {
			return filepath.Clean(dir), nil
		}
	}
	return "", errors.New("initdb --show does not print the share directory: " + out.tail())
}

// moduleDir returns the directory of plpgsql, which is always installed.
func (in *Installation) moduleDir(ctx context.Context) (string, error) {
	parent := filepath.Dir(in.BinDir)
	places := []string{
		filepath.Join(parent, "lib"),
		filepath.Join(parent, "lib", "postgresql"),
		filepath.Join(parent, "lib64", "pgsql"),
		filepath.Join(parent, "lib", "pgsql"),
		fmt.Sprintf("/usr/lib/postgresql%d", in.Major),
		fmt.Sprintf("/usr/lib/postgresql%d/lib64", in.Major),
	}
	if out, err := output(ctx, filepath.Join(in.BinDir, "pg_config"), "--pkglibdir"); err == nil {
		places = slices.Insert(places, 0, out)
	}
	for _, dir := range places {
		if found, _ := filepath.Glob(filepath.Join(dir, "plpgsql.*")); len(found) > 0 {
			return filepath.Clean(dir), nil
		}
	}
	return "", fmt.Errorf("cannot find the modules (plpgsql) of the PostgreSQL at %s: install its contrib or server package in full", in.BinDir)
}

// rel returns the path in a prefix that corresponds to a system directory.
func (l layout) rel(dir string) string {
	return strings.TrimPrefix(strings.TrimPrefix(dir, l.root), "/")
}

// build fills the empty directory prefix.
func (l layout) build(prefix string, system []os.DirEntry, files map[string]string) error {
	bin, share := filepath.Join(prefix, l.rel(l.bin)), filepath.Join(prefix, l.rel(l.share))
	for _, dir := range []string{bin, share} { // before links, so that neither is behind one
		if err := mkdirOpen(prefix, dir); err != nil {
			return err
		}
	}
	if err := copyProgram(filepath.Join(l.bin, "postgres"), filepath.Join(bin, "postgres")); err != nil {
		return err
	}
	// The executable may look for its libraries beside itself.
	for _, dir := range []string{filepath.Join(filepath.Dir(l.bin), "lib"), l.lib} {
		if err := l.link(prefix, dir); err != nil {
			return err
		}
	}
	extension := filepath.Join(share, "extension")
	entries, err := os.ReadDir(l.share)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == "extension" {
			continue
		}
		if err := os.Symlink(filepath.Join(l.share, entry.Name()), filepath.Join(share, entry.Name())); err != nil {
			return err
		}
	}
	if err := writeFiles(extension, files); err != nil {
		return err
	}
	for _, entry := range system {
		err := os.Symlink(filepath.Join(l.share, "extension", entry.Name()), filepath.Join(extension, entry.Name()))
		if err != nil && !errors.Is(err, os.ErrExist) { // files precedes the system's
			return err
		}
	}
	return nil
}

// link links a system directory at its path in the prefix, unless it does not
// exist or one of its parents is linked already.
func (l layout) link(prefix, dir string) error {
	place := filepath.Join(prefix, l.rel(dir))
	if _, err := os.Stat(dir); err != nil || place == prefix {
		return nil
	}
	if _, err := os.Stat(place); err == nil {
		return nil
	}
	if err := mkdirOpen(prefix, filepath.Dir(place)); err != nil {
		return err
	}
	return os.Symlink(dir, place)
}

// commonDir returns the longest common parent of two absolute paths.
func commonDir(a, b string) string {
	for a != "/" && a != b && !strings.HasPrefix(b, a+"/") {
		a = filepath.Dir(a)
	}
	return a
}

// mkdirOpen creates dir and its missing parents up to base, accessible to all
// users, independent of the umask.
func mkdirOpen(base, dir string) error {
	if dir == base {
		return nil
	}
	if err := mkdirOpen(base, filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if errors.Is(err, os.ErrExist) {
			return nil
		}
		return err
	}
	return os.Chmod(dir, 0o755)
}

// copyProgram copies an executable, accessible to all users. It is synced, so that
// the cache does not have half of it after a power failure.
func copyProgram(from, to string) error {
	if err := copyExecutable(from, to); err != nil {
		return err
	}
	f, err := os.Open(to)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// copyExecutable prevents processes from being started while the file is open for
// writing: they would have it open too for a moment, and a program that is open
// for writing cannot be run ("text file busy").
func copyExecutable(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Chmod(0o755), dst.Close())
}

// writeFiles creates dir with files that all users can read.
func writeFiles(dir string, files map[string]string) error {
	if err := mkdirOpen(filepath.Dir(dir), dir); err != nil {
		return err
	}
	for name, text := range files {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
