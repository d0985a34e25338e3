//go:build unix

package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const oldestMajor = 14

// preferredMajors are the major versions in the order of preference: first those
// that Lakebase itself runs.
var preferredMajors = []int{17, 16, 18, 15, 14}

// usualPlaces are glob patterns of directories in which installers put the
// server programs. Few installers add them to PATH.
var usualPlaces = []string{
	"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
	"/usr/pgsql-*/bin",          // PGDG packages for Red Hat and SUSE
	"/usr/lib/postgresql*/bin",  // SUSE, Gentoo
	"/usr/libexec/postgresql*",  // Alpine
	"/usr/local/pgsql/bin",      // built from source
	"/opt/homebrew/opt/postgresql@*/bin",
	"/usr/local/opt/postgresql@*/bin",
	"/Applications/Postgres.app/Contents/Versions/*/bin",
	"/Library/PostgreSQL/*/bin", // EDB
}

// found has the results of Find in this process, by finder. Asking the programs
// for their versions takes longer than connecting to a server.
var found sync.Map

// Find returns the preferred installation; see the package documentation. If
// there is none, the error says how to install one.
func Find(ctx context.Context) (*Installation, error) {
	f := systemFinder()
	if in, ok := found.Load(f); ok {
		if _, err := os.Stat(in.(*Installation).postgres()); err == nil {
			return in.(*Installation), nil
		}
	}
	in, err := f.find(ctx)
	if err == nil {
		found.Store(f, in)
	}
	return in, err
}

// finder looks for installations. Its fields are what it depends on.
type finder struct {
	override string // value of LAKEBASE_POSTGRES_BIN
	path     string // value of PATH
	root     string // prefix of usualPlaces
}

func systemFinder() finder {
	return finder{override: os.Getenv(binEnv), path: os.Getenv("PATH")}
}

func (f finder) find(ctx context.Context) (*Installation, error) {
	all, err := f.all(ctx)
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ofMajor returns the preferred installation of a major version, or nil.
func (f finder) ofMajor(ctx context.Context, major int) *Installation {
	all, _ := f.all(ctx)
	for _, in := range all {
		if in.Major == major {
			return in
		}
	}
	return nil
}

// all returns the usable installations, at least one, the preferred first.
func (f finder) all(ctx context.Context) ([]*Installation, error) {
	if f.override != "" {
		in, err := inspect(ctx, f.override)
		if err != nil {
			return nil, fmt.Errorf("%s=%q is not the directory of a usable PostgreSQL: %w", binEnv, f.override, err)
		}
		return []*Installation{in}, nil
	}
	var usable []*Installation
	var unusable []string
	for _, dir := range f.candidates(ctx) {
		in, err := inspect(ctx, dir)
		switch {
		case err == nil:
			usable = append(usable, in)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.Is(err, os.ErrNotExist):
			unusable = append(unusable, err.Error())
		}
	}
	if len(usable) == 0 {
		reason := "postgres and initdb are neither on PATH nor in the usual places"
		if len(unusable) > 0 {
			reason = strings.Join(unusable, "; ")
		}
		return nil, fmt.Errorf(notInstalled, reason)
	}
	slices.SortStableFunc(usable, func(a, b *Installation) int {
		return cmp.Compare(majorRank(a.Major), majorRank(b.Major))
	})
	return usable, nil
}

// candidates returns the directories that may have an installation, without
// duplicates. Symbolic links are resolved, as PostgreSQL does to find its other
// files.
func (f finder) candidates(ctx context.Context) []string {
	var dirs []string
	add := func(dir string) {
		postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			return
		}
		if dir := filepath.Dir(postgres); !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	for _, dir := range filepath.SplitList(f.path) {
		if filepath.IsAbs(dir) {
			add(dir)
		}
	}
	if dir := f.pgConfigBinDir(ctx); dir != "" {
		add(dir)
	}
	for _, pattern := range usualPlaces {
		matches, _ := filepath.Glob(f.root + pattern) // the patterns are well-formed
		for _, dir := range matches {
			add(dir)
		}
	}
	return dirs
}

func (f finder) pgConfigBinDir(ctx context.Context) string {
	for _, dir := range filepath.SplitList(f.path) {
		pgConfig := filepath.Join(dir, "pg_config")
		info, err := os.Stat(pgConfig)
		if err != nil || !filepath.IsAbs(dir) || !isProgram(info) {
			continue
		}
		out, _ := output(ctx, pgConfig, "--bindir") // empty if it fails
		return out
	}
	return ""
}

// inspect returns the installation in dir. The error is os.ErrNotExist if one of
// the programs is missing.
func inspect(ctx context.Context, dir string) (*Installation, error) {
	postgres, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
	if err != nil {
		return nil, err
	}
	initdb := filepath.Join(filepath.Dir(postgres), "initdb")
	for _, file := range []string{postgres, initdb} {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if !isProgram(info) {
			return nil, fmt.Errorf("%s is not an executable file", file)
		}
	}
	build, err := output(ctx, postgres, "--version")
	if err != nil {
		return nil, fmt.Errorf("%s --version: %w", postgres, err)
	}
	version, major, err := parseVersion(build)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", postgres, err)
	}
	if major < oldestMajor {
		return nil, fmt.Errorf("%s is version %s, and %d or newer is needed", postgres, version, oldestMajor)
	}
	return &Installation{BinDir: filepath.Dir(postgres), Version: version, Major: major, build: build}, nil
}

var versionLine = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^\s]*)`)

// parseVersion parses the output of postgres --version, such as
// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(line string) (version string, major int, err error) {
	m := versionLine.FindStringSubmatch(line)
	if m == nil {
		return "", 0, fmt.Errorf("%q is not the version of a PostgreSQL server", line)
	}
	major, err = strconv.Atoi(m[2])
	return m[1], major, err
}

// majorRank orders major versions, the preferred first. Versions that are newer
// than the known ones come last, the oldest of them first.
func majorRank(major int) int {
	if i := slices.Index(preferredMajors, major); i >= 0 {
		return i
	}
	return len(preferredMajors) + major
}

func isProgram(info os.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// output runs a program that prints something about itself.
func output(ctx context.Context, program, arg string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, arg)
	cmd.Env = baseEnv(os.Getenv("HOME"))
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
