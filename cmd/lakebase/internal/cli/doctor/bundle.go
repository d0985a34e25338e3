package doctor

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
)

// bundle is a file with a report to share. The zero value is none.
type bundle struct {
	name string
	file *os.File
}

// createBundle creates the file, for its owner alone, before the checks run, so
// that a wrong name costs no time. It overwrites nothing.
func createBundle(name string) (*bundle, error) {
	if name == "" {
		return &bundle{}, nil
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil, command.UsageError("--bundle: "+name+" exists already", "name a new file")
	case err != nil:
		return nil, &command.Error{Code: command.ExitUsage, Message: "--bundle", Err: err}
	}
	return &bundle{name: name, file: file}, nil
}

// discard removes a bundle that was not written.
func (b *bundle) discard() {
	if b.file != nil {
		_ = b.file.Close()
		_ = os.Remove(b.name)
	}
}

// write writes the report, the environment and the log, without secrets.
func (b *bundle) write(std *terminal.Streams, secrets *doctor.Secrets, report *doctor.Report, log string) error {
	if b.file == nil {
		return nil
	}
	parts, err := bundleParts(report, log)
	if err != nil {
		return err
	}
	for i := range parts {
		parts[i].text = secrets.Hide(parts[i].text)
	}
	content := textFile(parts)
	if strings.HasSuffix(strings.ToLower(b.name), ".zip") {
		if content, err = zipFile(parts, report.Time); err != nil {
			return err
		}
	}
	_, err = b.file.Write(content)
	if err := errors.Join(err, b.file.Close()); err != nil {
		return fmt.Errorf("--bundle: %w", err)
	}
	b.file = nil
	fmt.Fprintf(std.Err, "wrote %s; it names hosts, identities and roles, but has no tokens, passwords or secrets\n", b.name)
	return nil
}

// bundlePart is one file of a bundle.
type bundlePart struct{ name, text string }

func bundleParts(report *doctor.Report, log string) ([]bundlePart, error) {
	var text bytes.Buffer
	t := &reportText{out: &text, verbose: true}
	for _, r := range report.Checks {
		t.result(r)
	}
	t.summary(report)
	document, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return nil, err
	}
	if log == "" {
		log = "(no log)\n"
	}
	return []bundlePart{
		{"report.txt", text.String()},
		{"environment.txt", bundleEnvironment(report)},
		{"log.txt", log},
		{"report.json", string(document) + "\n"},
	}, nil
}

// bundleEnvironment describes where the report was made. It has the names of
// variables only; the report has the values of those that count.
func bundleEnvironment(report *doctor.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lakebase %s\ntarget %s\ntime %s\n\nvariables that are set:\n", report.Program, report.Target, report.Time.Format("2006-01-02 15:04:05 MST"))
	var names []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if isRelevant(strings.ToUpper(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "  %s\n", name)
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err == nil {
		fmt.Fprintf(&b, "\n/etc/resolv.conf:\n%s", resolver)
	}
	return b.String()
}

func isRelevant(variable string) bool {
	for _, prefix := range []string{"PG", "LAKEBASE_", "DATABRICKS_", "DB_", "ENDPOINT_NAME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_", "GODEBUG", "ARM_", "GOOGLE_"} {
		if strings.HasPrefix(variable, prefix) {
			return true
		}
	}
	return false
}

func textFile(parts []bundlePart) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		fmt.Fprintf(&b, "==== %s ====\n\n%s\n", p.name, p.text)
	}
	return b.Bytes()
}

func zipFile(parts []bundlePart, made time.Time) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range parts {
		header := &zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: made}
		header.SetMode(0o600)
		w, err := z.CreateHeader(header)
		if err == nil {
			_, err = w.Write([]byte(p.text))
		}
		if err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
