package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/resultformat"
	"github.com/lakebase-go/lakebase/internal/resultstream"
)

const shellHelp = `End a statement with ; to run it. Ctrl-C cancels it, or drops what is typed.
  \q, Ctrl-D   leave
  \?           this help
`

// sqlShell reads statements and runs them: what there is where psql is not.
type sqlShell struct {
	app       *app
	connector *lakebase.Connector
	conn      *pgx.Conn
	database  string
	status    resultstream.Status
	lines     lineSource
	failed    error // the last statement's, where no person is there to see it
	interrupt chan os.Signal
}

// runSQLShell runs a shell until its input ends. Its exit code is that of the
// first statement that fails where the input is no terminal.
func runSQLShell(ctx context.Context, a *app, cfg *lakebase.Config) error {
	conn, err := a.connectTo(ctx, cfg)
	if err != nil {
		return err
	}
	s := &sqlShell{app: a, conn: conn, database: conn.Config().Database, status: resultstream.Idle, interrupt: make(chan os.Signal, 1)}
	defer func() { a.disconnect(s.conn) }()
	if s.connector, err = lakebase.New(cfg); err != nil {
		return err
	}
	defer s.connector.Close()
	// Ctrl-C ends statements, not the shell; SIGTERM ends it.
	signal.Notify(s.interrupt, os.Interrupt)
	defer signal.Stop(s.interrupt)
	ctx, stop := signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM)
	defer stop()
	s.lines = a.newLineSource()
	if s.lines.interactive() {
		fmt.Fprintf(a.stderr, "psql is not installed here: a small shell instead. \\? for help.\n")
	}
	return s.loop(ctx)
}

func (s *sqlShell) loop(ctx context.Context) error {
	statement := ""
	for {
		line, err := s.lines.next(ctx, s.prompt(statement))
		command := strings.TrimSpace(line)
		switch {
		case errors.Is(err, errInterrupted) && ctx.Err() == nil:
			statement = ""
			continue
		case errors.Is(err, io.EOF):
			return s.finish(ctx, statement)
		case err != nil:
			return err
		case strings.HasPrefix(command, `\`) && strings.TrimSpace(statement) == "":
			if s.command(command) {
				return nil
			}
			continue
		}
		statement += line + "\n"
		if strings.TrimSpace(statement) == "" {
			statement = ""
		}
		if isComplete(statement) {
			err := s.run(ctx, statement)
			if statement = ""; err != nil && !s.lines.interactive() {
				return err
			}
		}
	}
}

// finish runs what a script ends with, with or without a semicolon. A person
// has typed Ctrl-D to leave.
func (s *sqlShell) finish(ctx context.Context, statement string) error {
	if s.lines.interactive() || strings.TrimSpace(statement) == "" {
		return nil
	}
	return s.run(ctx, statement)
}

// prompt is psql's: whether a transaction is open, whether a statement is.
func (s *sqlShell) prompt(statement string) string {
	mark := map[resultstream.Status]string{resultstream.InTransaction: "*", resultstream.Failed: "!"}[s.status]
	begun := "="
	if statement != "" {
		begun = "-"
	}
	return oneline.Text(s.database) + begun + mark + "> "
}

// command runs a command of the shell's own and reports whether it was the
// last one.
func (s *sqlShell) command(text string) (quit bool) {
	switch strings.Fields(text)[0] {
	case `\q`:
		return true
	case `\?`, `\h`:
		fmt.Fprint(s.app.stderr, shellHelp)
	default:
		fmt.Fprintf(s.app.stderr, "%s is no command here; \\? lists them. psql has many.\n", oneline.Text(text))
	}
	return false
}

// run runs one statement and reports what is wrong with it.
func (s *sqlShell) run(ctx context.Context, statement string) error {
	if err := s.reconnect(ctx); err != nil {
		return s.report(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	defer close(over)
	s.forgetInterrupt()
	go func() {
		select {
		case <-s.interrupt:
			cancel()
		case <-over:
		}
	}()
	p := newResultPrinter(ctx, s.app, resultformat.Text, false)
	status, err := p.run(ctx, s.conn.PgConn(), statement, nil, nil)
	s.status = status
	return s.report(err)
}

// forgetInterrupt drops a Ctrl-C that came when nothing ran.
func (s *sqlShell) forgetInterrupt() {
	select {
	case <-s.interrupt:
	default:
	}
}

// report tells a person at once; a script ends with the error.
func (s *sqlShell) report(err error) error {
	if s.lines.interactive() {
		s.app.reportError(err)
	}
	return err
}

// reconnectTimeout is for a server that has gone and comes back.
const reconnectTimeout = time.Minute

// reconnect replaces a connection that is lost. The statement that it was
// lost with is not run again: the next one is what it is for.
func (s *sqlShell) reconnect(ctx context.Context) error {
	if s.status != resultstream.Gone {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reconnectTimeout)
	defer cancel()
	s.app.disconnect(s.conn)
	conn, err := s.connector.Connect(ctx)
	if err != nil {
		return err
	}
	s.conn, s.status = conn, resultstream.Idle
	fmt.Fprintln(s.app.stderr, "connected anew; what the session had is gone")
	return nil
}
