package target

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/inventory"
)

// SettingsOrPick is settings, except that on a terminal a person is asked
// where nothing names a target.
func SettingsOrPick(ctx context.Context, std *terminal.Streams, target string) (*lakebase.Config, error) {
	cfg, err := Settings(std, target)
	if err != nil || namesTarget(cfg) || !terminal.IsTerminal(std.In) || !terminal.IsTerminal(std.Err) {
		return cfg, err
	}
	if target, err = pickTarget(ctx, std); err != nil {
		return nil, err
	}
	return Settings(std, target)
}

// pickTarget asks which of the targets that can be connected to is meant.
func pickTarget(ctx context.Context, std *terminal.Streams) (string, error) {
	listing, err := list(ctx, std)
	if err != nil {
		return "", &command.Error{Code: command.ExitCode(err), Message: "nothing names a target, and what there is cannot be listed", Err: err}
	}
	var entries []inventory.Entry
	for _, e := range listing.Entries {
		if e.Host != "" {
			entries = append(entries, e)
		}
	}
	picked := 0
	switch len(entries) {
	case 0:
		return "", command.UsageError("nothing names a target, and this identity can see none", "\"lakebase targets\" says more")
	case 1:
	default:
		if picked, err = pickNumber(ctx, std, targetLines(entries)); err != nil {
			return "", err
		}
	}
	name := entries[picked].Name
	variable := "LAKEBASE_INSTANCE_NAME"
	if entries[picked].Product == inventory.Autoscaling {
		variable = "LAKEBASE_ENDPOINT"
	}
	fmt.Fprintf(std.Err, "Connecting to %s; to be asked no more: %s=%s\n", name, variable, name)
	return name, nil
}

// targetLines are the rows of a table without a head.
func targetLines(entries []inventory.Entry) []string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	for _, e := range entries {
		fmt.Fprintf(w, "%s\t%s\t%s\n", e.Name, e.Product, stateAndAccess(e))
	}
	_ = w.Flush() // a strings.Builder takes everything
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// pickNumber shows lines with their numbers and reads which one is meant.
func pickNumber(ctx context.Context, std *terminal.Streams, lines []string) (int, error) {
	for i, line := range lines {
		fmt.Fprintf(std.Err, "%*d  %s\n", len(fmt.Sprint(len(lines))), i+1, line)
	}
	in := bufio.NewReader(std.In)
	for {
		fmt.Fprintf(std.Err, "Connect to (1-%d): ", len(lines))
		line, err := readLine(ctx, in)
		if err != nil {
			fmt.Fprintln(std.Err)
			return 0, err
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n >= 1 && n <= len(lines) {
			return n - 1, nil
		}
	}
}

// readLine reads a line of an answer. Ctrl-C and Ctrl-D are errInterrupted;
// after Ctrl-C the read is left behind.
func readLine(ctx context.Context, in *bufio.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		if line, err := in.ReadString('\n'); err == nil {
			lines <- line
		}
	}()
	select {
	case line, ok := <-lines:
		if ok {
			return line, nil
		}
	case <-ctx.Done():
	}
	return "", command.ErrInterrupted
}
