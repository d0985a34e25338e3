package target

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// ConfigOrAsk is Config, but asks for a target if nothing names one and there
// is a terminal to ask on.
func ConfigOrAsk(ctx context.Context, std *terminal.Streams, address string) (*lakebase.Config, error) {
	cfg, err := Config(std, address)
	if err != nil || cfg.URL != "" || cfg.Instance != "" || cfg.Endpoint != "" || cfg.Host != "" || !std.CanAsk() {
		return cfg, err
	}
	if address, err = ask(ctx, std); err != nil {
		return nil, err
	}
	return Config(std, address)
}

// ask returns the target that the user picks from those of the workspace.
func ask(ctx context.Context, std *terminal.Streams) (string, error) {
	listing, err := list(ctx, std)
	if err != nil {
		return "", &command.Error{Message: "no target is named, and those of the workspace cannot be listed", Err: err}
	}
	entries := slices.DeleteFunc(listing.Entries, func(e inventory.Entry) bool { return e.Host == "" })
	picked := 0
	switch len(entries) {
	case 0:
		return "", command.UsageError("no target is named, and this identity can see none", "see \"lakebase targets\"")
	case 1:
	default:
		if picked, err = askNumber(ctx, std, entries); err != nil {
			return "", err
		}
	}
	name, variable := entries[picked].Name, "LAKEBASE_INSTANCE_NAME"
	if entries[picked].Product == inventory.Autoscaling {
		variable = "LAKEBASE_ENDPOINT"
	}
	fmt.Fprintf(std.Err, "Connecting to %s; %s=%s makes it the default\n", oneline.Name(name), variable, oneline.Name(name))
	return name, nil
}

// askNumber shows entries with numbers and returns the index of the chosen one.
func askNumber(ctx context.Context, std *terminal.Streams, entries []inventory.Entry) (int, error) {
	w := terminal.NewTable(std.Err)
	for i, e := range entries {
		w.Row(fmt.Sprintf("%*d  %s", len(fmt.Sprint(len(entries))), i+1, e.Name), e.Product, stateAndAccess(e))
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	in := bufio.NewReader(std.In)
	for {
		fmt.Fprintf(std.Err, "Connect to (1-%d): ", len(entries))
		line, err := readLine(ctx, in)
		if err != nil {
			fmt.Fprintln(std.Err)
			return 0, err
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n >= 1 && n <= len(entries) {
			return n - 1, nil
		}
	}
}

// Confirm asks a question on the terminal. Any answer but yes is an error.
func Confirm(ctx context.Context, std *terminal.Streams, question string) error {
	fmt.Fprintf(std.Err, "%s [y/N] ", question)
	line, err := readLine(ctx, bufio.NewReader(std.In))
	if err != nil {
		fmt.Fprintln(std.Err)
		return err
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
		return &command.Error{Code: command.ExitInterrupted, Message: "nothing was changed"}
	}
	return nil
}

// readLine reads a line. Ctrl-C and Ctrl-D give ErrInterrupted; after Ctrl-C
// the read goes on in the background.
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
