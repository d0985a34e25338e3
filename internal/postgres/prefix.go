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

// program is how to run postgres so that it knows our extensions.
type program struct {
	path string
	args []string
}

// program returns the installation's postgres. With extensions it is one that
// offers them beside the system's own.
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

// withControlPath names the directory of our extensions in a setting that
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

// withPrefix makes a private installation. Before version 18, PostgreSQL finds
// extensions only in its share directory, but it finds that one relative to its
// own executable: a copy of the executable, with links to everything else, can
// have an extension directory that is ours.
func (in *Installation) withPrefix(ctx context.Context, c cache, a *account, extensions []Extension, files map[string]string) (program, error) {
	l, err := in.layout(ctx, a)
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
		return program{}, fmt.Errorf("make a private PostgreSQL for our own extensions: %w", err)
	}
	return program{path: filepath.Join(prefix, l.rel(l.bin), "postgres")}, nil
}

// layout is where an installation keeps its files.
type layout struct {
	bin   string
	share string
	lib   string // of loadable modules
	root  string // the longest path that the others have in common
}

// layout asks the installation's own programs.
func (in *Installation) layout(ctx context.Context, a *account) (layout, error) {
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
	return l, nil
}

// shareDir is what initdb says it uses.
func (in *Installation) shareDir(ctx context.Context, a *account) (string, error) {
	out := newServerLog(nil)
	out.keep = 100
	if err := in.initdb(ctx, a, "/", out, "--show", "-D", "/nonexistent"); err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(out.text("\n"), "\n") {
		if dir, ok := strings.CutPrefix(line, "share_path="); ok {
			return filepath.Clean(dir), nil
		}
	}
	return "", errors.New("initdb --show does not tell the share directory: " + out.tail())
}

// moduleDir is where plpgsql is, which is always installed.
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

// rel is the place in a prefix that corresponds to a system directory.
func (l layout) rel(dir string) string {
	return strings.TrimPrefix(strings.TrimPrefix(dir, l.root), "/")
}

// build fills the empty directory prefix.
func (l layout) build(prefix string, system []os.DirEntry, files map[string]string) error {
	bin, share := filepath.Join(prefix, l.rel(l.bin)), filepath.Join(prefix, l.rel(l.share))
	for _, dir := range []string{bin, share} { // first, so that neither ends up behind a link
		if err := mkdirOpen(prefix, dir); err != nil {
			return err
		}
	}
	if err := copyProgram(filepath.Join(l.bin, "postgres"), filepath.Join(bin, "postgres")); err != nil {
		return err
	}
	// The executable may look for its libraries next to itself.
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
		if err != nil && !errors.Is(err, os.ErrExist) { // ours go before the system's
			return err
		}
	}
	return nil
}

// link puts a link to a system directory into its place in the prefix, unless
// there is no such directory or one above it is linked already.
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

// commonDir is the longest path that two absolute paths begin with.
func commonDir(a, b string) string {
	for a != "/" && a != b && !strings.HasPrefix(b, a+"/") {
		a = filepath.Dir(a)
	}
	return a
}

// mkdirOpen makes dir and what is missing between it and base, for everyone to
// enter whatever the umask.
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

// copyProgram copies an executable, to be found by everyone. It is synced, as
// the cache must not hold half of it after a power failure.
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

// copyExecutable starts no process while the file is open for writing: the
// process would have it open too for a moment, and a program that is being
// written cannot be run ("text file busy").
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

// writeFiles makes dir with small files that everyone can read.
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
