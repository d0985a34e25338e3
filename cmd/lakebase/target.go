package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase"
)

// targetHelp says what a TARGET is, for the help of the commands that take one.
const targetHelp = "TARGET is an instance, an endpoint path, a host or a URL; without one the\nenvironment decides."

// addTargetFlag adds --target, for commands whose arguments are something else.
func addTargetFlag(a *app, cmd *cobra.Command, target *string) {
	cmd.Flags().StringVarP(target, "target", "t", "", "instance, endpoint path, host or URL (default what the environment names)")
	setsVariables(cmd, "target", "LAKEBASE_INSTANCE_NAME", "LAKEBASE_ENDPOINT", "LAKEBASE_PG_URL")
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("target", a.completeTargetFlag)
}

// targetOf is the one argument, or "".
func targetOf(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

// settings reads the configuration for target. Its warnings go to stderr.
func (a *app) settings(target string) (*lakebase.Config, error) {
	cfg, err := lakebase.ParseConfig(target)
	if err != nil {
		return nil, err
	}
	cfg.Logger = slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg, nil
}

// namesTarget reports whether cfg says what to connect to.
func namesTarget(cfg *lakebase.Config) bool {
	return cfg.URL != "" || cfg.Instance != "" || cfg.Endpoint != "" || cfg.Host != ""
}

// connect opens a connection to target. On a terminal it asks for a target
// where nothing names one, and says what is being waited for.
func (a *app) connect(ctx context.Context, target string) (*pgx.Conn, error) {
	cfg, err := a.settingsOrPick(ctx, target)
	if err != nil {
		return nil, err
	}
	return a.connectTo(ctx, cfg)
}

func (a *app) connectTo(ctx context.Context, cfg *lakebase.Config) (*pgx.Conn, error) {
	connector, err := lakebase.New(cfg)
	if err != nil {
		return nil, err
	}
	defer connector.Close()
	status := a.startStatus(func(elapsed time.Duration) string {
		return fmt.Sprintf("connecting to %s, %d s; a database that sleeps is waking up", cfg.Target(), int(elapsed.Seconds()))
	})
	defer status.end()
	conn, err := connector.Connect(ctx)
	return conn, interruptedOr(ctx, err)
}

// interruptedOr replaces what comes of the user's Ctrl-C by what it means.
func interruptedOr(ctx context.Context, err error) error {
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return errInterrupted
	}
	return err
}

// disconnectTimeout is for a server that does not take leave.
const disconnectTimeout = 2 * time.Second

func (a *app) disconnect(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), disconnectTimeout)
	defer cancel()
	_ = conn.Close(ctx) // the session is over either way
}

// settingOr returns a setting of cfg, or otherwise if it has no value.
func settingOr(cfg *lakebase.Config, name, otherwise string) string {
	for _, s := range cfg.Settings() {
		if s.Name == name && s.Value != "" {
			return s.Value
		}
	}
	return otherwise
}
