package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// secondHalfEnv tells a role that it has started itself anew.
const secondHalfEnv = "LAKEBASE_TEST_SECOND_HALF"

func init() {
	// powerless is createonly by a root without capabilities, as containers
	// have it.
	childRoles["powerless"] = func(ctx context.Context) error {
		if os.Getenv(secondHalfEnv) != "" {
			return childRoles["createonly"](ctx)
		}
		runtime.LockOSThread()
		for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
			unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0) // fails for those that the kernel does not know
		}
		return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), secondHalfEnv+"=1"))
	}
	// noexec is a start with extensions while the cache is on a file system
	// mounted noexec.
	childRoles["noexec"] = func(ctx context.Context) error {
		cache := os.Getenv(cacheEnv)
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return err
		}
		if err := syscall.Mount("tmpfs", cache, "tmpfs", syscall.MS_NOEXEC, "mode=0755"); err != nil {
			return err
		}
		in, err := Find(ctx)
		if err != nil {
			return err
		}
		_, err = in.Start(ctx, StartOptions{DataDir: os.Getenv(raceDirEnv), Extensions: []Extension{testExtension}})
		return err
	}
}

func TestRootWithoutCapabilitiesIsExplained(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can be root without capabilities")
	}
	dir := tempDir(t)
	child := startChild(t, "powerless", nil, raceDirEnv+"="+dir+"/data", cacheEnv+"="+dir+"/cache")
	assertContains(t, childError(child), "no right to run PostgreSQL as another user", "run this as an ordinary user")
}

func TestNoexecCacheIsExplained(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	if in.Major >= 18 {
		t.Skip("version 18 needs no program in the cache")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can mount")
	}
	dir := newDataDir(t, in)
	cache := filepath.Join(tempDir(t), "cache")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	child := startChild(t, "noexec", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	}, raceDirEnv+"="+dir, cacheEnv+"="+cache)
	assertContains(t, childError(child), cache, "noexec", fmt.Sprintf("set %s", cacheEnv))
}
