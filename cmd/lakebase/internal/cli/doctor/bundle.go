package doctor

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// createBundle creates the file of a report to share, for its owner alone, and
// overwrites nothing. Without a name, the file is nil.
func createBundle(name string) (*os.File, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, command.UsageError("--bundle: "+name+" exists already", "name a new file")
	case err != nil:
		return nil, &command.Error{Code: command.ExitUsage, Message: "--bundle", Err: err}
	}
	return file, nil
}

// writeBundle writes the report, the environment and the log, without secrets,
// and closes the file.
func writeBundle(file *os.File, secrets *doctor.Secrets, report *doctor.Report, log string) (err error) {
	defer func() { err = errors.Join(err, file.Close()) }()
	var text strings.Builder
	t := &reportText{out: &text, verbose: true}
	for _, r := range report.Checks {
		t.result(r)
	}
	t.summary(report)
	document, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	parts := []bundlePart{
		{"report.txt", text.String()},
		{"environment.txt", bundleEnvironment(report)},
		{"log.txt", cmp.Or(log, "(no log)\n")},
		{"report.json", string(document) + "\n"},
	}
	for i := range parts {
		parts[i].text = secrets.Hide(parts[i].text)
	}
	if strings.HasSuffix(strings.ToLower(file.Name()), ".zip") {
		return writeZip(file, parts, report.Time)
	}
	for _, p := range parts {
		if _, err := fmt.Fprintf(file, "==== %s ====\n\n%s\n", p.name, p.text); err != nil {
			return err
		}
	}
	return nil
}

// bundlePart is one file of a bundle.
type bundlePart struct{ name, text string }

func writeZip(out io.Writer, parts []bundlePart, made time.Time) error {
	z := zip.NewWriter(out)
	for _, p := range parts {
		header := &zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: made}
		header.SetMode(0o600)
		w, err := z.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, p.text); err != nil {
			return err
		}
	}
	return z.Close()
}

// relevant matches the names of variables that can matter for a connection.
var relevant = regexp.MustCompile(`(?i)^(PG|LAKEBASE_|DATABRICKS_|DB_|ENDPOINT_NAME|HTTPS?_PROXY|NO_PROXY|SSL_CERT_|GODEBUG|ARM_|GOOGLE_)`)

// bundleEnvironment describes where the report was made. It has the names of
// variables only; the report has the values of those that count.
func bundleEnvironment(report *doctor.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lakebase %s\ntarget %s\ntime %s\n\nvariables that are set:\n", report.Program, report.Target, report.Time.Format("2006-01-02 15:04:05 MST"))
	environment := os.Environ()
	slices.Sort(environment)
	for _, entry := range environment {
		if name, _, _ := strings.Cut(entry, "="); relevant.MatchString(name) {
			fmt.Fprintf(&b, "  %s\n", name)
		}
	}
	if resolver, err := os.ReadFile("/etc/resolv.conf"); err == nil {
		fmt.Fprintf(&b, "\n/etc/resolv.conf:\n%s", resolver)
	}
	return b.String()
}
