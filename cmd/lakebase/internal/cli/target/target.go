// Package target turns the TARGET of a command into a configuration and a
// connection: it parses, completes, lists and asks for targets.
package target

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// targetHelp says what a TARGET is, for the help of the commands that take one.
const Help = "TARGET is an instance, an endpoint path, a host or a URL; without one the\nenvironment decides."

// addTargetFlag adds --target, for commands whose arguments are something else.
func AddFlag(std *terminal.Streams, cmd *cobra.Command, target *string) {
	cmd.Flags().StringVarP(target, "target", "t", "", "instance, endpoint path, host or URL (default what the environment names)")
	command.SetsVariables(cmd, "target", "LAKEBASE_INSTANCE_NAME", "LAKEBASE_ENDPOINT", "LAKEBASE_PG_URL")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", CompleteFlag)
}

// targetOf is the one argument, or "".
func Argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// Settings reads the configuration for target. Its warnings go to stderr.
func Settings(std *terminal.Streams, target string) (*lakebase.Config, error) {
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		return nil, err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(std.Err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg, nil
}

// namesTarget reports whether cfg says what to connect to.
func namesTarget(cfg *lakebase.Config) bool {
	return cfg.URL != "" || cfg.Instance != "" || cfg.Endpoint != "" || cfg.Host != ""
}

// connect opens a connection to target. On a terminal it asks for a target
// where nothing names one, and says what is being waited for.
func ConnectTo(ctx context.Context, std *terminal.Streams, target string) (*pgx.Conn, error) {
	cfg, err := SettingsOrPick(ctx, std, target)
	if err != nil {
		return nil, err
	}
	return Connect(ctx, std, cfg)
}

func Connect(ctx context.Context, std *terminal.Streams, cfg *lakebase.Config) (*pgx.Conn, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := terminal.StartStatus(std, func(elapsed time.Duration) string {
		return fmt.Sprintf("connecting to %s, %d s; a database that sleeps is waking up", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.End()
	conn, err := connector.Connect(ctx)
	return conn, InterruptedOr(ctx, err)
}

// InterruptedOr replaces what comes of the user's Ctrl-C by what it means.
func InterruptedOr(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return command.ErrInterrupted
	}
	return err
}

// DisconnectTimeout is for a server that does not take leave.
const DisconnectTimeout = 2 * time.Second

func Disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), DisconnectTimeout)
	defer cancel()
	_ = conn.Close(ctx) // the session is over either way
}

// SettingOr returns a setting of cfg, or otherwise if it has no value.
func SettingOr(cfg *lakebase.Config, name, otherwise string) string {
	for _, s := range cfg.Settings() {
		if s.Name == name && s.Value != "" {
			return s.Value
		}
	}
	return otherwise
}
