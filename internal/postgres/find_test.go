//go:build unix

package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fakeInstall creates programs in dir that print their version.
func fakeInstall(t *testing.T, dir, version string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		fakeProgram(t, filepath.Join(dir, name), fmt.Sprintf("echo '%s (PostgreSQL) %s'", name, version))
	}
}

func fakeProgram(t *testing.T, file, script string) {
	t.Helper()
	// A process that is started meanwhile would have the file open, and it could
	// not be run: "text file busy".
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestFindPrefersVersionsOfTheService(t *testing.T) {
	tests := []struct {
		name     string
		installs map[string]string // directory: version
		setUp    func(t *testing.T, root string, f *finder)
		want     string // the version, or
		wantErr  []string
	}{
		{
			name: "17 goes before all others",
			installs: map[string]string{
				"/usr/lib/postgresql/14/bin": "14.9", "/usr/lib/postgresql/15/bin": "15.18 (Debian 15.18-0+deb12u1)",
				"/usr/lib/postgresql/16/bin": "16.3", "/usr/lib/postgresql/17/bin": "17.2", "/usr/lib/postgresql/18/bin": "18.1",
			},
			want: "17.2",
		},
		{name: "then 16", installs: map[string]string{"/usr/pgsql-18/bin": "18.1", "/usr/pgsql-16/bin": "16.3", "/usr/pgsql-15/bin": "15.1"}, want: "16.3"},
		{name: "then 18", installs: map[string]string{"/usr/libexec/postgresql15": "15.1", "/usr/libexec/postgresql18": "18.1"}, want: "18.1"},
		{name: "15 before 14", installs: map[string]string{"/Library/PostgreSQL/14/bin": "14.1", "/Library/PostgreSQL/15/bin": "15.1"}, want: "15.1"},
		{name: "unknown new versions last", installs: map[string]string{"/Library/PostgreSQL/19/bin": "19beta1", "/Library/PostgreSQL/14/bin": "14.1"}, want: "14.1"},
		{name: "a beta if there is nothing else", installs: map[string]string{"/Library/PostgreSQL/19/bin": "19beta1"}, want: "19beta1"},
		{
			name:     "of one version, PATH before the usual places",
			installs: map[string]string{"/mine": "17.1", "/usr/lib/postgresql/17/bin": "17.2"},
			setUp:    func(t *testing.T, root string, f *finder) { f.path = "relative:" + root + "/none:" + root + "/mine" },
			want:     "17.1",
		},
		{
			name:     "PATH through links",
			installs: map[string]string{"/cellar/postgresql@16/bin": "16.4"},
			setUp: func(t *testing.T, root string, f *finder) {
				f.path = root + "/links"
				if err := os.Mkdir(f.path, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink("../cellar/postgresql@16/bin/postgres", f.path+"/postgres"); err != nil {
					t.Fatal(err)
				}
			},
			want: "16.4",
		},
		{
			name:     "where pg_config says",
			installs: map[string]string{"/odd/place": "15.2"},
			setUp: func(t *testing.T, root string, f *finder) {
				f.path = root
				fakeProgram(t, root+"/pg_config", `test "$*" = --bindir && echo `+root+"/odd/place")
			},
			want: "15.2",
		},
		{
			name:     "the variable overrides",
			installs: map[string]string{"/old": "14.2", "/usr/lib/postgresql/17/bin": "17.2"},
			setUp:    func(t *testing.T, root string, f *finder) { f.override = root + "/old" },
			want:     "14.2",
		},
		{
			name:     "a wrong variable is an error",
			installs: map[string]string{"/usr/lib/postgresql/17/bin": "17.2"},
			setUp:    func(t *testing.T, root string, f *finder) { f.override = root + "/none" },
			wantErr:  []string{"LAKEBASE_POSTGRES_BIN=", "/none", "no such file"},
		},
		{
			name:     "a variable that names an old version",
			installs: map[string]string{"/old": "13.2"},
			setUp:    func(t *testing.T, root string, f *finder) { f.override = root + "/old" },
			wantErr:  []string{"LAKEBASE_POSTGRES_BIN=", "version 13.2", "14 or newer"},
		},
		{name: "nothing", wantErr: []string{"neither on PATH", "apt-get install", "brew install", "LAKEBASE_LOCAL_DATABASE_URL"}},
		{name: "only old ones", installs: map[string]string{"/usr/lib/postgresql/9.6/bin": "9.6.24"}, wantErr: []string{"version 9.6.24", "14 or newer"}},
		{
			name:     "a server package without initdb",
			installs: map[string]string{"/usr/lib/postgresql/17/bin": "17.2", "/usr/lib/postgresql/16/bin": "16.2"},
			setUp: func(t *testing.T, root string, f *finder) {
				if err := os.Remove(root + "/usr/lib/postgresql/17/bin/initdb"); err != nil {
					t.Fatal(err)
				}
			},
			want: "16.2",
		},
		{
			name:     "something else of that name",
			installs: map[string]string{"/usr/lib/postgresql/17/bin": "17.2"},
			setUp: func(t *testing.T, root string, f *finder) {
				fakeProgram(t, root+"/usr/lib/postgresql/17/bin/postgres", "echo hello")
			},
			wantErr: []string{`"hello"`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			root, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			f := finder{root: root}
			for dir, version := range test.installs {
				fakeInstall(t, root+dir, version)
			}
			if test.setUp != nil {
				test.setUp(t, root, &f)
			}
			in, err := f.find(testContext(t))
			if test.wantErr != nil {
				assertContains(t, err, test.wantErr...)
				if strings.Contains(err.Error(), "install one") == (f.override != "") {
					t.Errorf("wrong advice: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if in.Version != test.want || !strings.HasPrefix(in.Version, fmt.Sprint(in.Major)) {
				t.Errorf("found %+v, want version %s", in, test.want)
			}
			if _, err := os.Stat(filepath.Join(in.BinDir, "initdb")); err != nil {
				t.Error(err)
			}
		})
	}
}

// A data directory needs its own major version, not the preferred one.
func TestDataDirGetsItsMajorVersion(t *testing.T) {
	t.Parallel()
	f := finder{root: t.TempDir()}
	for major, version := range map[string]string{"14": "14.2", "17": "17.2", "18": "18.2"} {
		fakeInstall(t, f.root+"/usr/lib/postgresql/"+major+"/bin", version)
	}
	if in := f.ofMajor(testContext(t), 14); in == nil || in.Version != "14.2" {
		t.Errorf("found %+v, want version 14.2", in)
	}
	if in := f.ofMajor(testContext(t), 15); in != nil {
		t.Errorf("found %+v, want none", in)
	}
}

func TestFindOnThisMachine(t *testing.T) {
	in := testInstallation(t)
	t.Logf("found %+v", in)
	if in.Major < oldestMajor || in.build == "" {
		t.Errorf("found %+v", in)
	}
}
