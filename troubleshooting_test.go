package lakebase_test

import (
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// errorPackages are those whose errors users meet as they are printed. The
// doctor's are summaries, which its own page lists.
var errorPackages = []string{".", "internal/inventory", "internal/pgurl", "internal/pgwire", "internal/postgres", "internal/refusal", "internal/resolver", "internal/resultstream", "internal/roles",
	"internal/settings", "internal/sqlscan", "internal/tokencache", "internal/txpool", "internal/workspace", "local", "local/internal/compute",
	"local/internal/frontend", "proxy", "proxy/internal/console"}

const commandPackages = "cmd/lakebase/internal/cli/"

var (
	// errorField matches the names of fields and variables that hold a part of an error.
	errorField = regexp.MustCompile(`^(?:[mM]essage|[hH]int|\w+Hint|nameEndpoint|texts|localFailures)$`)
	errorCall  = regexp.MustCompile(`^(?:UsageError|badConfig|badValue|failsWith|New|Errorf|Fatal|Proxied|protocolViolation)$`)
	// errorVerb matches what differs from one error to the next.
	errorVerb = regexp.MustCompile(`%[-+#0-9.]*[a-zA-Z]|\{[^}]*\}|\n`)
)

// notMet are texts that reach no user: they are replaced by another one, or only
// a mistake in a program that uses the package shows them.
var notMet = []string{
	"a server connection uses a", "a token cannot be encoded; ask the connector for one instead", "cannot build the request",
	"is not the name of a PostgreSQL setting", "both must be letters, digits, _ and . only", "the client has been sent an error",
	"the pool has been replaced", "the scan of the catalogs returned no rows", "login has ended",
	"short authentication request", "not done yet", "needs a name and a password", "want a name and a connector",
}

// TestTroubleshootingListsEveryError looks every kind, message and hint in the code
// up in the page. What a text has in the place of a verb is any word there.
func TestTroubleshootingListsEveryError(t *testing.T) {
	page := strings.Join(strings.Fields(string(read(t, "docs/troubleshooting.md"))), " ")
	found := 0
	for dir, files := range sourcePackages(t, ".") {
		if !slices.Contains(errorPackages, dir) && !strings.HasPrefix(dir, commandPackages) {
			continue
		}
		for name, file := range files {
			for _, text := range errorTexts(file) {
				for _, part := range errorVerb.Split(text, -1) {
					part = strings.Join(strings.Fields(strings.Trim(part, " :;,.\"'()$")), " ")
					if strings.Count(part, " ") < min(2, strings.Count(text, " ")) || !strings.Contains(part, " ") || slices.Contains(notMet, part) {
						continue
					}
					found++
					in := page
					if dir == "internal/refusal" {
						in = strings.ToLower(page) // it compares texts in lower case
					}
					if !strings.Contains(in, part) {
						t.Errorf("docs/troubleshooting.md lacks %q of %s", part, path.Base(name))
					}
				}
			}
		}
	}
	if found < 350 {
		t.Errorf("found only %d texts of errors", found)
	}
}

// errorTexts returns the string literals of file that errors are made of.
func errorTexts(file *ast.File) (texts []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if errorField.MatchString(nameOf(n.Key)) {
				texts = append(texts, stringsIn(n.Value)...)
			}
		case *ast.AssignStmt:
			// e.Code, e.Hint = "57P03", "..." counts the code too, which is one word.
			if slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return errorField.MatchString(nameOf(e)) }) {
				for _, value := range n.Rhs {
					texts = append(texts, stringsIn(value)...)
				}
			}
		case *ast.ValueSpec:
			isKind := nameOf(n.Type) == "Kind"
			for i, value := range n.Values {
				if isKind || errorField.MatchString(n.Names[min(i, len(n.Names)-1)].Name) {
					texts = append(texts, stringsIn(value)...)
				}
			}
		case *ast.FuncDecl:
			if n.Name.Name == "Error" && n.Body != nil {
				texts = append(texts, stringsIn(n.Body)...)
			}
		case *ast.CallExpr:
			if errorCall.MatchString(nameOf(n.Fun)) {
				texts = append(texts, stringsIn(n)...)
			}
		}
		return true
	})
	return texts
}

// nameOf returns the last name of an expression such as e.Hint or failsWith[T].
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	case *ast.IndexExpr:
		return nameOf(e.X)
	}
	return ""
}

func stringsIn(n ast.Node) (texts []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
			if text, err := strconv.Unquote(literal.Value); err == nil {
				texts = append(texts, text)
			}
		}
		return true
	})
	return texts
}
