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
	"time"
)

const oldestMajor = 14

// preferredMajors lists what Lakebase itself runs first.
var preferredMajors = []int{17, 16, 18, 15, 14}

// usualPlaces are glob patterns of directories where installers put the server
// binaries, which few of them put on PATH.
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

// Find looks for an installation; see the package documentation for where.
// If there is none, the error is a *NotInstalledError. A wrong
// LAKEBASE_POSTGRES_BIN is an error of its own.
func Find(ctx context.Context) (*Installation, error) {
	return systemFinder().find(ctx)
}

// finder looks for installations. Its fields are the parts of the system it
// looks at.
type finder struct {
	override string // value of LAKEBASE_POSTGRES_BIN
	path     string // value of PATH
	root     string // put before usualPlaces
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

// ofMajor returns the preferred installation of one major version, or nil.
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
	var found []*Installation
	var unusable []string
	for _, dir := range f.candidates(ctx) {
		in, err := inspect(ctx, dir)
		switch {
		case err == nil:
			found = append(found, in)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case !errors.Is(err, os.ErrNotExist):
			unusable = append(unusable, err.Error())
		}
	}
	if len(found) == 0 {
		reason := "postgres and initdb are neither on PATH nor in the usual places"
		if len(unusable) > 0 {
			reason = strings.Join(unusable, "; ")
		}
		return nil, &NotInstalledError{Reason: reason}
	}
	slices.SortStableFunc(found, func(a, b *Installation) int {
		return cmp.Compare(majorRank(a.Major), majorRank(b.Major))
	})
	return found, nil
}

// candidates lists the directories worth a look, without duplicates: symbolic
// links are resolved, as PostgreSQL does to find its other files.
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
		slices.SortFunc(matches, byVersionDescending)
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
		out, _ := output(ctx, pgConfig, "--bindir") // one that fails names nothing
		return out
	}
	return ""
}

// inspect returns the installation in dir. The error is os.ErrNotExist if one
// of the binaries is missing. Links are resolved, as PostgreSQL does itself to
// find its other files.
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

// parseVersion reads what postgres --version prints, such as
// "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)".
func parseVersion(line string) (version string, major int, err error) {
	m := versionLine.FindStringSubmatch(line)
	if m == nil {
		return "", 0, fmt.Errorf("%q is not the version of a PostgreSQL server", line)
	}
	major, err = strconv.Atoi(m[2])
	return m[1], major, err
}

// majorRank orders major versions, the best first; versions newer than the
// known ones come last, the oldest of them first.
func majorRank(major int) int {
	if i := slices.Index(preferredMajors, major); i >= 0 {
		return i
	}
	return len(preferredMajors) + major
}

var digits = regexp.MustCompile(`\d+`)

// byVersionDescending compares paths by the last number in them, so that 10
// counts for more than 9.
func byVersionDescending(a, b string) int {
	number := func(s string) int {
		all := digits.FindAllString(s, -1)
		if len(all) == 0 {
			return 0
		}
		n, _ := strconv.Atoi(all[len(all)-1])
		return n
	}
	return cmp.Compare(number(b), number(a))
}

func isProgram(info os.FileInfo) bool {
	return info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// output runs a program that only prints something about itself.
func output(ctx context.Context, program, arg string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, arg)
	cmd.Env = baseEnv(os.Getenv("HOME"))
	cmd.WaitDelay = 5 * time.Second // a busy machine may take a while to read it
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}
