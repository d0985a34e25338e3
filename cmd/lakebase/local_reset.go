package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/local"
)

func newLocalResetCommand(a *app, dataDir *dataDirFlag) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "reset",
		Short:   "Delete the data, so that the next start begins anew",
		Example: "  lakebase local reset\n  lakebase local reset --data-dir /tmp/second --yes",
		Long: `Deletes the data directory of a local Lakebase that does not run, after asking.
Anything but such a directory is refused.`,
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			dir, err := dataDir.resolve()
			if err != nil {
				return err
			}
			return resetLocal(a, dir, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func resetLocal(a *app, dir string, yes bool) error {
	if runtime, err := local.ReadRuntime(dir); err == nil {
		return &commandError{
			message: fmt.Sprintf("a local Lakebase (pid %d) is running on %s", runtime.PID, dir),
			hint:    "stop it first",
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(a.stderr, "nothing to delete: %s does not exist\n", dir)
		return nil
	}
	// A directory given by mistake must not be lost.
	if _, err := os.Stat(filepath.Join(dir, "state.json")); err != nil {
		return &commandError{message: dir + " does not hold the data of a local Lakebase", hint: "check --data-dir"}
	}
	if !yes {
		agreed, err := a.ask(fmt.Sprintf("Delete all data in %s?", dir))
		if err != nil || !agreed {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "deleted %s\n", dir)
	return nil
}

// ask puts a question that only a person can answer with yes.
func (a *app) ask(question string) (bool, error) {
	if !isTerminal(a.stdin) {
		return false, usageError("nobody is there to ask: "+question, "--yes agrees")
	}
	fmt.Fprint(a.stderr, question+" [y/N] ")
	answer, err := bufio.NewReader(a.stdin).ReadString('\n')
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
