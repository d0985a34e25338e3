// Package query is the command lakebase query.
package query

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/target"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/resultformat"
)

// options are the flags of lakebase query.
type options struct {
	target string
	file   string
	params []string
	format string
	quiet  bool
}

func New(std *terminal.Streams) *cobra.Command {
	o := &options{}
	cmd := &cobra.Command{
		Use:   "query [SQL]",
		Short: "Run SQL and print what it returns",
		Example: `  lakebase query 'select * from orders limit 10'
  lakebase query -t shop/sales -o csv 'table orders' > orders.csv
  lakebase query -p 42 'select * from orders where id = $1'
  lakebase query -f report.sql -o json | jq .
  lakebase query 'copy orders from stdin (format csv)' < orders.csv`,
		Long: `Runs SQL and prints the rows. The SQL is the argument, a file (-f) or stdin.
Without --target the environment names the target; on a terminal, you are asked
for one if it does not.

Several statements in one text run as one transaction unless they contain BEGIN
and COMMIT, and each result is printed. With -p, the values of $1, $2 and so
on, there is one statement; values are sent apart from it and need no quoting.
COPY TO STDOUT and COPY FROM STDIN use stdout and stdin.

Rows are printed as they arrive and are not kept in memory. Text aligns columns
by the first 1000 rows. JSON has a line for each result, an array; an
incomplete result has no closing bracket, and a repeated column name gets a
number. In CSV NULL is empty and the empty string is "". On a terminal,
characters that control it are printed as escapes, in every format; a file or
pipe gets CSV, JSON and COPY as they are.

Only connecting is retried, never the SQL. Ctrl-C cancels the statement.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return command.UsageError("lakebase query takes one argument, the SQL", "quote it as one word; the target goes in --target, values for $1 and so on in -p")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), std, o, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	target.AddFlag(cmd, &o.target)
	flags.StringVarP(&o.file, "file", "f", "", "file with the SQL; - for stdin")
	flags.StringArrayVarP(&o.params, "param", "p", nil, "value of $1; repeat for $2 and so on")
	command.AddChoice(cmd, &o.format, "output", "o", "how to print rows: text, json, ndjson or csv", "text", "json", "ndjson", "csv")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "do not print counts and times on stderr")
	return cmd
}

// run connects once and runs the SQL once.
func run(ctx context.Context, std *terminal.Streams, o *options, args []string) error {
	sql, fromStdin, err := o.sql(std, args)
	if err != nil {
		return err
	}
	cfg, err := target.ConfigOrAsk(ctx, std, o.target)
	if err != nil {
		return err
	}
	conn, err := target.Connect(ctx, std, cfg)
	if err != nil {
		return err
	}
	defer target.Disconnect(conn)
	p := newPrinter(ctx, std, resultformat.Format(o.format), o.quiet)
	copyIn := std.In
	if fromStdin {
		copyIn = nil
	}
	return p.run(ctx, conn.PgConn(), sql, o.params, copyIn)
}

// sql reads the SQL, and reports whether it came from stdin.
func (o *options) sql(std *terminal.Streams, args []string) (sql string, fromStdin bool, err error) {
	switch {
	case len(args) == 1 && o.file != "":
		return "", false, command.UsageError("there is SQL both as an argument and in --file", "give one of them")
	case len(args) == 1 && args[0] != "-":
		sql = args[0]
	case o.file != "" && o.file != "-":
		var content []byte
		if content, err = os.ReadFile(o.file); err != nil {
			return "", false, &command.Error{Code: command.ExitUsage, Message: "--file", Err: err}
		}
		sql = string(content)
	case len(args) == 0 && o.file == "" && terminal.Is(std.In):
		return "", false, command.UsageError("no SQL to run", "for example: lakebase query 'select 1'; for a shell: lakebase psql")
	default:
		var content []byte
		if content, err = io.ReadAll(std.In); err != nil {
			return "", false, err
		}
		sql, fromStdin = string(content), true
	}
	switch {
	case strings.TrimSpace(sql) == "":
		return "", false, command.UsageError("no SQL to run: it is empty", "for example: lakebase query 'select 1'")
	case strings.ContainsRune(sql, 0):
		return "", false, command.UsageError("the SQL holds a zero byte", "save the file as UTF-8 text")
	}
	return strings.TrimPrefix(sql, "\ufeff"), fromStdin, nil
}
