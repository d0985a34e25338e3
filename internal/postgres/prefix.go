//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	if in.Major >= 18 {
		return in.withControlPath(files)
	}
	return in.withPrefix(ctx, a, files)
}

func (in *Installation) postgres() string { return filepath.Join(in.BinDir, "postgres") }

// withControlPath sets the directory of the extensions with a setting that
// version 18 introduced.
func (in *Installation) withControlPath(files map[string]string) (program, error) {
	dir, err := cached(cacheKey("extensions", files), nil, func(dir string) error {
		return errors.Join(writeFiles(filepath.Join(dir, "extension"), files), publish(dir))
	})
	return program{
		path: in.postgres(),
		args: []string{"-c", "extension_control_path=$system:" + dir},
	}, err
}

// withPrefix creates a private installation. Before version 18, PostgreSQL finds
// extensions only in its share directory, which it finds relative to its own
// executable: a copy of the executable, with links to everything else, can have
// another extension directory.
func (in *Installation) withPrefix(ctx context.Context, a *account, files map[string]string) (program, error) {
	l, err := in.findLayout(ctx, a)
	if err != nil {
		return program{}, err
	}
	// An extension that is installed later must not stay invisible.
	system, err := filepath.Glob(filepath.Join(l.share, "extension", "*"))
	if err != nil {
		return program{}, err
	}
	prefix, err := cached(cacheKey("prefix", in.build, l, files, system), nil, func(dir string) error { return l.build(dir, files) })
	if err != nil {
		return program{}, fmt.Errorf("create a private PostgreSQL with more extensions: %w", err)
	}
	return program{path: filepath.Join(l.in(prefix, l.bin), "postgres")}, nil
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
	if err := in.run(ctx, a, out, "initdb", "--show", "-D", "/nonexistent"); err != nil {
		return "", err
	}
	for _, line := range out.last() {
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

// in returns the path in a prefix that corresponds to a system directory.
func (l layout) in(prefix, dir string) string {
	return filepath.Join(prefix, strings.TrimPrefix(dir, l.root))
}

// build creates a prefix with files as additional extensions.
func (l layout) build(prefix string, files map[string]string) error {
	bin, share := l.in(prefix, l.bin), l.in(prefix, l.share)
	extension := filepath.Join(share, "extension")
	// Directories come before links, so that none is behind a link.
	if err := errors.Join(os.MkdirAll(bin, 0o755), writeFiles(extension, files)); err != nil {
		return err
	}
	return errors.Join(
		copyProgram(filepath.Join(l.bin, "postgres"), filepath.Join(bin, "postgres")),
		// The executable may look for its libraries beside itself.
		l.link(prefix, filepath.Join(filepath.Dir(l.bin), "lib")),
		l.link(prefix, l.lib),
		linkEntries(l.share, share),
		linkEntries(filepath.Join(l.share, "extension"), extension),
		publish(prefix),
	)
}

// link links a system directory at its path in the prefix, unless it does not
// exist, or the prefix has it, possibly because one of its parents is linked.
func (l layout) link(prefix, dir string) error {
	place := l.in(prefix, dir)
	if !exists(dir) || exists(place) {
		return nil
	}
	return errors.Join(os.MkdirAll(filepath.Dir(place), 0o755), os.Symlink(dir, place))
}

// linkEntries links the entries of a system directory in dir, except for those
// that dir has already.
func linkEntries(system, dir string) error {
	entries, err := os.ReadDir(system)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		err := os.Symlink(filepath.Join(system, entry.Name()), filepath.Join(dir, entry.Name()))
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// commonDir returns the longest common parent of two absolute paths.
func commonDir(a, b string) string {
	for a != "/" && a != b && !strings.HasPrefix(b, a+"/") {
		a = filepath.Dir(a)
	}
	return a
}

// copyProgram copies an executable. Processes cannot be started while the copy is
// open for writing: they would have it open too for a moment, and a program that
// is open for writing cannot be run ("text file busy").
func copyProgram(from, to string) error {
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(to, program, 0o755)
}

// writeFiles creates dir with files.
func writeFiles(dir string, files map[string]string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// publish makes dir and all in it accessible to all users, independent of the
// umask, and syncs it, so that the cache does not have half of it after a power
// failure.
func publish(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type() == fs.ModeSymlink {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm() | 0o444
		if mode&0o100 != 0 {
			mode |= 0o111
		}
		return errors.Join(f.Chmod(mode), f.Sync())
	})
}
