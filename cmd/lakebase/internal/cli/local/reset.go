package local

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/local"
)

func newResetCommand(std *terminal.Streams, dataDir *dataDir) *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "reset",
		Short:   "Delete the data of a stopped one",
		Example: "  lakebase local reset\n  lakebase local reset --data-dir /tmp/second --yes",
		Long: `Deletes the data directory of a local Lakebase that is not running, after
asking. Any other directory is refused.`,
		Args: command.NoArguments,
		RunE: func(*cobra.Command, []string) error {
			dir, err := dataDir.resolve()
			if err != nil {
				return err
			}
			return reset(std, dir, yes)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func reset(std *terminal.Streams, dir string, yes bool) error {
	if runtime, err := local.ReadRuntime(dir); err == nil {
		return &command.Error{
			Message: fmt.Sprintf("a local Lakebase (pid %d) is running on %s", runtime.PID, dir),
			Hint:    "stop it first",
		}
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(std.Err, "nothing to delete: %s does not exist\n", dir)
		return nil
	}
	// A directory that was given by mistake must not be lost.
	if _, err := os.Stat(filepath.Join(dir, "state.json")); err != nil {
		return &command.Error{Message: dir + " does not hold the data of a local Lakebase", Hint: "check --data-dir"}
	}
	if !yes {
		confirmed, err := confirm(std, fmt.Sprintf("Delete all data in %s?", dir))
		if err != nil || !confirmed {
			return err
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Fprintf(std.Err, "deleted %s\n", dir)
	return nil
}

// confirm asks a question on the terminal.
func confirm(std *terminal.Streams, question string) (bool, error) {
	if !terminal.Is(std.In) {
		return false, command.UsageError("no terminal to ask on: "+question, "--yes confirms it")
	}
	fmt.Fprint(std.Err, question+" [y/N] ")
	answer, err := bufio.NewReader(std.In).ReadString('\n')
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}
