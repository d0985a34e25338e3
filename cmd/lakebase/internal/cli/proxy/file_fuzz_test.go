package proxy

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzProxyFile holds that each key has the value that stands after its = in
// its line, and that no error shows a value or takes more than a line.
func FuzzProxyFile(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/proxy_bad_config.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte("\ufeff[proxy]\r\npool_size = 40\r\n\r\n; comment\r\n[target shop]\r\naddress = my-instance ; no comment\r\n[user ann]\r\npassword = \\\r\n"))
	f.Add([]byte("[user ann]\npassword = %(x)s\ntargets = a, b\n[user bob]\npassword = a=b=c"))
	f.Fuzz(func(t *testing.T, content []byte) {
		sections, err := parseFile("p.ini", string(content))
		if err != nil {
			checkFileError(t, err)
		}
		lines := strings.Split(strings.TrimPrefix(string(content), "\ufeff"), "\n")
		for _, section := range sections {
			if section.line.number < 1 || section.line.number > len(lines) {
				t.Fatalf("[%s %s] in line %d", section.kind, section.name, section.line.number)
			}
			before, after, _ := strings.Cut(lines[section.line.number-1], "[")
			if strings.TrimSpace(before) != "" || !strings.HasPrefix(strings.TrimSpace(after), section.kind) {
				t.Errorf("line %q was read as [%s %s]", lines[section.line.number-1], section.kind, section.name)
			}
			for _, key := range section.keys {
				if key.line.number <= section.line.number || key.line.number > len(lines) {
					t.Fatalf("%s in line %d, in a section of line %d", key.name, key.line.number, section.line.number)
				}
				name, value, _ := strings.Cut(lines[key.line.number-1], "=")
				if strings.ReplaceAll(strings.TrimSpace(name), "-", "_") != key.name || strings.TrimSpace(value) != key.value {
					t.Errorf("line %q was read as %q = %q", lines[key.line.number-1], key.name, key.value)
				}
			}
		}
		const secret = "hunter2hunter2"
		if bytes.Contains(content, []byte("hunter2")) {
			return
		}
		for _, line := range []string{"password = ", "password =", "= ", ""} {
			if _, err := parseFile("p.ini", string(content)+"\n"+line+secret+"\n"); err != nil {
				checkFileError(t, err)
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q: the error shows it: %v", line, err)
				}
			}
		}
	})
}

func checkFileError(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); !strings.HasPrefix(text, "p.ini line ") || strings.ContainsAny(text, "\n\r") {
		t.Errorf("error %q", text)
	}
}
