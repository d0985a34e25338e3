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

// flags are the flags of `lakebase query`.
type flags struct {
	target string
	file   string
	params []string
	format resultFormatFlag
	quiet  bool
}

func New(std *terminal.Streams) *cobra.Command {
	f := &flags{format: resultFormatFlag(resultformat.Text)}
	cmd := &cobra.Command{
		Use:   "query [SQL]",
		Short: "Run SQL and print what it returns",
		Example: `  lakebase query 'select * from orders limit 10'
  lakebase query -t shop/sales -o csv 'table orders' > orders.csv
  lakebase query -p 42 'select * from orders where id = $1'
  lakebase query -f report.sql -o json | jq .
  lakebase query 'copy orders from stdin (format csv)' < orders.csv`,
		Long: `Runs SQL, given as the one argument, in a file (-f) or on stdin, and prints the
rows. The target is an instance, an endpoint path, a host or a URL; without
--target the environment decides, and on a terminal where it names none, you
are asked.

Several statements in one text run as one transaction unless they say BEGIN and
COMMIT themselves, and each result is printed. With -p, values for $1, $2 and so
on, there is one statement; values are sent apart from the text and need no
quoting. COPY TO STDOUT and COPY FROM STDIN use stdout and stdin.

Rows are printed as they arrive: their number needs no memory. Text aligns its
columns by the first 1000 rows. JSON is an array for each result, a line each;
one that the query did not complete has no closing bracket. A repeated column
name gets a number there. CSV tells NULL, nothing, from the empty string, "".

Only connecting is ever repeated, never the SQL. Ctrl-C asks the server to
cancel.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return command.UsageError("lakebase query takes one argument, the SQL", "quote it as one word; the target goes in --target, values for $1 and so on in -p")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), std, f, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	target.AddFlag(std, cmd, &f.target)
	flags.StringVarP(&f.file, "file", "f", "", "file with the SQL; - for stdin")
	flags.StringArrayVarP(&f.params, "param", "p", nil, "value of $1; repeat for $2 and so on")
	flags.VarP(&f.format, "output", "o", "how to print rows: text, json, ndjson or csv")
	flags.BoolVarP(&f.quiet, "quiet", "q", false, "do not print counts and times on stderr")
	command.CompleteWords(cmd, "output", "text", "json", "ndjson", "csv")
	return cmd
}

// resultFormatFlag is a resultformat.Format as a flag value.
type resultFormatFlag resultformat.Format

func (f *resultFormatFlag) String() string { return string(*f) }

func (f *resultFormatFlag) Set(name string) error {
	format, err := resultformat.Parse(name)
	*f = resultFormatFlag(format)
	return err
}

func (f *resultFormatFlag) Type() string { return "format" }

// runQuery connects once and runs the SQL once.
func run(ctx context.Context, std *terminal.Streams, f *flags, args []string) error {
	sql, fromStdin, err := f.sql(std, args)
	if err != nil {
		return err
	}
	conn, err := target.ConnectTo(ctx, std, f.target)
	if err != nil {
		return err
	}
	defer target.Disconnect(conn)
	p := newResultPrinter(ctx, std, resultformat.Format(f.format), f.quiet)
	copyIn := std.In
	if fromStdin {
		copyIn = nil
	}
	_, err = p.run(ctx, conn.PgConn(), sql, f.params, copyIn)
	return err
}

// sql reads the SQL from the one place that is named, and says whether that
// was stdin.
func (f *flags) sql(std *terminal.Streams, args []string) (sql string, fromStdin bool, err error) {
	switch {
	case len(args) == 1 && f.file != "":
		return "", false, command.UsageError("there is SQL both as an argument and in --file", "give one of them")
	case len(args) == 1 && args[0] != "-":
		sql = args[0]
	case f.file != "" && f.file != "-":
		var content []byte
		if content, err = os.ReadFile(f.file); err != nil {
			return "", false, &command.Error{Code: command.ExitUsage, Message: "--file", Err: err}
		}
		sql = string(content)
	case len(args) == 0 && f.file == "" && terminal.IsTerminal(std.In):
		return "", false, command.UsageError("no SQL to run", "for example: lakebase query 'select 1'; lakebase psql is a shell")
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
