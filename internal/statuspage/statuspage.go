// Package statuspage has what the status pages of several programs share: the frame
// with its style and script, plots that the server draws, and figures as people read
// them. The pages need no script, and load nothing from elsewhere.
package statuspage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

var (
	//go:embed frame.html
	frame string
	//go:embed style.css
	styleSource string
	//go:embed script.js
	scriptSource string

	style, script = compact(styleSource), compact(scriptSource)
)

// Policy is the Content-Security-Policy of the pages: their own style and script, and
// requests to where they come from.
var Policy = "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) +
	"; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// compact leaves out indentation and lines that are comments.
func compact(source string) string {
	var b strings.Builder
	for line := range strings.Lines(source) {
		if line = strings.TrimLeft(line, "\t"); !strings.HasPrefix(line, "//") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func hash(source string) string {
	sum := sha256.Sum256([]byte(source))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Parse returns a function that parses templates of pages at its first call: few runs
// of a program show one. Each page begins with the template top, whose argument is the
// title, and ends with bottom. In between, live has the time and the button that pauses
// updates, plots draws a []Plot, and each element with an id and the attribute
// data-live is updated every so often.
//
// Text from elsewhere is shown by the functions name, for names that must stay
// different, or text.
func Parse(source string, every time.Duration, funcs template.FuncMap) func() *template.Template {
	return sync.OnceValue(func() *template.Template {
		return template.Must(template.New("").Funcs(template.FuncMap{
			"style":  func() template.HTML { return template.HTML("<style>" + style + "</style>") },
			"script": func() template.HTML { return template.HTML("<script>" + script + "</script>") },
			"every":  func() int { return int(every / time.Second) },
			"name":   oneline.Name, "text": oneline.Text,
			"ago":   func(t time.Time) string { return Duration(time.Since(t)) },
			"brief": Duration, "count": Count, "bytes": byteSize,
		}).Funcs(funcs).Parse(frame + source))
	})
}

// Write answers a request with a page. Nothing is sent if the error is not nil.
func Write(w http.ResponseWriter, pages func() *template.Template, name string, data any) error {
	var page bytes.Buffer
	if err := pages().ExecuteTemplate(&page, name, data); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", Policy)
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(page.Bytes())
	return nil
}

// IsLocal reports whether a request's Host is an IP address or localhost. An
// attacker can make any other name resolve to a loopback address, so that a
// browser lets the attacker's page read the answer (DNS rebinding).
func IsLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost")
}
