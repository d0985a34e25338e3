// Package target turns the TARGET of a command into a configuration and a
// connection, and lists, completes and asks for targets.
package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// Help explains TARGET in the help of a command.
const Help = "TARGET is the path of a project, branch or endpoint, an instance, a host or a\nURL. Without one, the environment decides."

// AddFlag adds --target, for commands whose arguments are something else.
func AddFlag(cmd *cobra.Command, address *string) {
	cmd.Flags().StringVarP(address, "target", "t", "", "endpoint path, instance, host or URL (default $LAKEBASE_ENDPOINT, $LAKEBASE_INSTANCE_NAME or $LAKEBASE_PG_URL)")
	command.Complete(cmd, "target", CompleteFlag)
}

// Config returns the configuration for a target, which advised commands repeat. The
// library's warnings go to stderr.
func Config(std *terminal.Streams, address string) (*lakebase.Config, error) {
	cfg, err := lakebase.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	if strings.Contains(address, "://") || cfg.URL != "" && address != "" {
		address = cfg.String() // without the password
	}
	if address != "" {
		std.Target = shellword.Of(address)
	}
	cfg.Logger = terminal.NewLogger(std.Err, slog.LevelWarn)
	return cfg, nil
}

// Connect opens a connection. On a terminal a status line shows the wait.
func Connect(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config) (*pgx.Conn, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := StartStatus(std, cfg, connector)
	defer status.End()
	conn, err := connector.Connect(ctx)
	return conn, command.InterruptedOr(ctx, err)
}

// StartStatus shows that a command is connecting, and what it waits for.
func StartStatus(std *terminal.Streams, cfg *lakebase.Config, connector *lakebase.Connector) *terminal.StatusLine {
	return std.StartStatus(func(elapsed time.Duration) string {
		if trouble := connector.Trouble(); trouble != nil {
			return StillTrying(trouble, elapsed)
		}
		return fmt.Sprintf("connecting to %s, %d s; a suspended database takes a while to wake up", cfg.Target(), int(elapsed.Seconds()))
	})
}

// StillTrying describes a wait for the workspace.
func StillTrying(trouble *lakebase.Error, elapsed time.Duration) string {
	return oneline.Text(fmt.Sprintf("still trying %s (%d s): %s", trouble.Resource, int(elapsed.Seconds()), trouble.Message))
}

// LookupTimeout is how long a command that serves others waits for the workspace
// before it begins.
const LookupTimeout = 10 * time.Second

// Lookup looks up a target that clients are about to be served from, without
// touching its database. It returns only errors that waiting does not mend: one of
// a target that does not exist comes with the name that may be meant.
func Lookup(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config, connector *lakebase.Connector) error {
	ctx, cancel := context.WithTimeout(ctx, LookupTimeout)
	defer cancel()
	status := StartStatus(std, cfg, connector)
	err := connector.Lookup(ctx)
	status.End()
	if err == nil || lakebase.Retryable(err) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	failure := &command.Error{Err: err}
	if errors.Is(err, lakebase.KindNotFound) || errors.Is(err, lakebase.KindPermissionDenied) {
		failure.Code = command.ExitUsage
		failure.Hint = didYouMean(ctx, err)
	}
	return failure
}

// didYouMean returns the hint of err with the target that it may be about.
func didYouMean(ctx context.Context, err error) string {
	hint := lakebase.Hint(err)
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return hint
	}
	client := newWorkspace()
	defer client.Close()
	listing, listErr := inventory.List(ctx, client)
	if listErr != nil {
		return hint
	}
	var names []string
	for _, entry := range listing.Entries {
		names = append(names, entry.Name)
		if parts := strings.Split(entry.Name, "/"); len(parts) > 1 {
			names = append(names, parts[1], strings.Join(parts[:2], "/"))
		}
	}
	if near := spelling.Nearest(e.Resource, names); near != "" {
		return fmt.Sprintf("did you mean %s? %s", near, hint)
	}
	return hint
}

// disconnectTimeout is for a server that does not answer any more.
const disconnectTimeout = 2 * time.Second

// Disconnect closes a connection, or anything that closes like one.
func Disconnect(conn interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), disconnectTimeout)
	defer cancel()
	_ = conn.Close(ctx) // the session ends either way
}

// Setting returns a setting of cfg, or otherwise if it has no value.
func Setting(cfg *lakebase.Config, name, otherwise string) string {
	for _, s := range cfg.Settings() {
		if s.Name == name && s.Value != "" {
			return s.Value
		}
	}
	return otherwise
}

// Complete completes a TARGET argument with the workspace's targets. It is a
// cobra.CompletionFunc.
func Complete(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return CompleteFlag(cmd, args, toComplete)
}

// CompleteFlag is Complete for the value of a flag.
func CompleteFlag(cmd *cobra.Command, _ []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(cmd.Context(), command.CompletionTimeout)
	defer cancel()
	client := newWorkspace()
	defer client.Close()
	listing, err := inventory.List(ctx, client)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for _, e := range listing.Entries {
		if e.Host != "" && strings.HasPrefix(e.Name, toComplete) && e.Name == oneline.Name(e.Name) { // shells show it as it is
			names = append(names, cobra.CompletionWithDesc(e.Name, e.Product+", "+oneline.Name(stateAndAccess(e))))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// CompleteNamed completes TARGET in NAME=TARGET.
func CompleteNamed(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	name, address, found := strings.Cut(toComplete, "=")
	if !found {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, directive := CompleteFlag(cmd, args, address)
	for i := range names {
		names[i] = name + "=" + names[i]
	}
	return names, directive
}
