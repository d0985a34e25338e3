//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestAccountOfRoot(t *testing.T) {
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", nobody.Uid)
	account, err := newAccount()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		if account != nil {
			t.Errorf("an ordinary user becomes %v", account)
		}
		return
	}
	if account.name != "nobody" {
		t.Errorf("with sudo, the account is %v", account)
	}
	for _, id := range []string{"", "0", "4294967294"} {
		t.Setenv("SUDO_UID", id)
		account, err := newAccount()
		if err != nil {
			t.Fatal(err)
		}
		if account.uid == 0 || account.name != "postgres" && account.name != "nobody" {
			t.Errorf("with SUDO_UID=%q, the account is %v", id, account)
		}
	}
}

func TestServerRunsAsTheOwner(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	account, err := ownerAccount(dir)
	if os.Geteuid() == 0 {
		assertContains(t, err, dir, "belongs to root", "chown")
		if err := os.Chown(dir, 12345, 54321); err != nil {
			t.Fatal(err)
		}
		account, err = ownerAccount(dir)
		if err != nil || account.uid != 12345 || account.gid != 54321 {
			t.Errorf("account is %+v, %v; want the owner", account, err)
		}
		return
	}
	if account != nil || err != nil {
		t.Errorf("our own directory: account %v, %v", account, err)
	}
	_, err = ownerAccount("/")
	assertContains(t, err, "belongs to user root", "run this as that user")
}

// The error names the directory of the path that the server's user cannot enter.
func TestInaccessibleParentIsNamed(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	closed := filepath.Join(tempDir(t), "closed")
	dir := filepath.Join(closed, "inside", "data")
	if err := in.CreateCluster(testContext(t), dir, testCluster); err != nil {
		t.Fatal(err)
	}
	s, err := in.Start(testContext(t), StartOptions{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	stop(t, s)

	account := mustOwner(t, dir)
	mode := os.FileMode(0o700) // enough to keep others out
	if account == nil {
		mode = 0o600 // keeps even us out
	}
	if err := os.Chmod(closed, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(closed, 0o755) })
	if account == nil {
		if got := account.blockedAt(dir); got != closed {
			t.Errorf("blocked at %q, want %q", got, closed)
		}
		return // we cannot even look for the owner
	}
	_, err = in.Start(testContext(t), StartOptions{DataDir: dir})
	assertContains(t, err, "user "+account.name, "cannot enter "+closed+" ", "chmod")
}

func TestFirstInaccessibleDirectory(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	inner := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	stat, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := stat.Sys().(*syscall.Stat_t)
	stranger := &account{uid: 12345, gid: 12345}
	groupMate := &account{uid: 12345, gid: int(owner.Gid)}
	same := &account{uid: int(owner.Uid), gid: 12345}
	for mode, blocked := range map[os.FileMode][]*account{
		0o755: {}, 0o711: {}, 0o750: {stranger}, 0o700: {stranger, groupMate}, 0o701: {groupMate}, 0o071: {same},
	} {
		if mode == 0o071 && os.Geteuid() != 0 {
			continue // we could not look beyond it ourselves
		}
		if err := os.Chmod(filepath.Join(dir, "a"), mode); err != nil {
			t.Fatal(err)
		}
		for _, a := range []*account{stranger, groupMate, same} {
			want := ""
			for _, b := range blocked {
				if a == b {
					want = filepath.Join(dir, "a")
				}
			}
			if got := a.blockedAt(inner); got != want {
				t.Errorf("mode %o, user %d, group %d: blocked at %q, want %q", mode, a.uid, a.gid, got, want)
			}
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func init() {
	// createonly makes a data directory and prints the error it gets.
	childRoles["createonly"] = func(ctx context.Context) error {
		in, err := Find(ctx)
		if err != nil {
			return err
		}
		return in.CreateCluster(ctx, os.Getenv(raceDirEnv), testCluster)
	}
}

// childError runs a child to its end and returns the error it prints.
func childError(child *testChild) error {
	line := child.line()
	child.cmd.Wait()
	if text, ok := strings.CutPrefix(line, "error: "); ok {
		return errors.New(text)
	}
	return nil
}

func TestUserWithoutPasswdEntryIsExplained(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		// Only root can become such a user; the message is tested all the same.
		err := (*account)(nil).explain(errors.New("initdb: could not look up effective user ID 54321: user does not exist"), exec.Command("initdb"))
		assertContains(t, err, "no entry in /etc/passwd", "LAKEBASE_LOCAL_DATABASE_URL")
		return
	}
	const uid = 54321
	dir := tempDir(t)
	if err := os.Chown(dir, uid, uid); err != nil {
		t.Fatal(err)
	}
	child := startChild(t, "createonly", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}, raceDirEnv+"="+dir+"/data", cacheEnv+"="+dir+"/cache", "HOME="+dir)
	assertContains(t, childError(child), "user id "+strconv.Itoa(uid)+" has no entry in /etc/passwd", "LAKEBASE_LOCAL_DATABASE_URL")
}

func TestMissingCacheDirIsExplained(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Setenv(cacheEnv, "")
		if dir, err := cacheDir(); dir != "/var/cache/lakebase" || err != nil {
			t.Errorf("root's cache is %s, %v", dir, err)
		}
		return
	}
	for _, name := range []string{cacheEnv, "HOME", "XDG_CACHE_HOME"} {
		t.Setenv(name, "")
	}
	_, err := cacheDir()
	assertContains(t, err, "HOME", cacheEnv)
}

func TestUnwritableCacheIsExplained(t *testing.T) {
	file := filepath.Join(tempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(cacheEnv, file+"/cache")
	_, err := cached("entry", nil, func(string) error { return nil })
	assertContains(t, err, file, cacheEnv)
}

func TestServerLogKeepsTheLastLines(t *testing.T) {
	t.Parallel()
	log := newServerLog(nil)
	for i := range 20 {
		fmt.Fprintf(log, "line %d\nhalf ", i)
	}
	fmt.Fprint(log, "open")
	if got := log.tail(); !strings.HasPrefix(got, "half line 12; ") || !strings.HasSuffix(got, "half line 19; half open") {
		t.Errorf("tail is %q", got)
	}
}
