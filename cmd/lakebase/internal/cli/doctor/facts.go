package doctor

import (
	"fmt"
	"os"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Facts is what `lakebase doctor --report -o json` prints. Fields are only ever added.
type Facts struct {
	Program string        `json:"program"`
	Date    string        `json:"date"`
	Masked  bool          `json:"masked"`
	Facts   []doctor.Fact `json:"facts"`
}

const factsNotice = `This tries what only a real workspace can tell: it reads the target and some catalogs,
and makes about ten logins, nearly all of them to be refused. It changes nothing, and
sends tokens to servers that are verified only.
`

// printFacts prints the facts of a report as JSON or Markdown.
func printFacts(std *terminal.Streams, o *options, r *doctor.Report) error {
	f := Facts{r.Program, r.Time.Format("2006-01-02"), !o.showNames, append([]doctor.Fact{}, r.Facts...)}
	if o.output.JSON() {
		return std.PrintJSON(f)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "### Facts of a Lakebase\n\nlakebase %s, %s\n\n| fact | tried | outcome | SQLSTATE | text |\n|---|---|---|---|---|\n", f.Program, f.Date)
	for _, fact := range f.Facts {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", cell(fact.Name), cell(fact.Tried), cell(fact.Outcome), cell(strings.TrimSpace(fact.Severity+" "+fact.SQLState)), cell(fact.Text))
	}
	_, err := fmt.Fprint(std.Plain(), b.String())
	return err
}

// cell is text as one cell of a table of Markdown, in which nothing has a meaning.
func cell(text string) string {
	text = oneline.Text(text)
	for _, special := range []string{`\`, "|", "<", "*", "_", "`", "[", "]"} {
		text = strings.ReplaceAll(text, special, `\`+special)
	}
	return text
}

// readExpiredToken reads the token of --expired-token.
func readExpiredToken(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", &command.Error{Code: command.ExitUsage, Message: "--expired-token", Err: err}
	}
	return strings.TrimSpace(string(text)), nil
}
