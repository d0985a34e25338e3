package local

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed status.html
var statusHTML string

var statusTemplate = template.Must(template.New("status").Parse(statusHTML))

// statusPage shows what runs to people. It holds no secret, so it asks for none.
func (a *restAPI) statusPage(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	if err := statusTemplate.Execute(&page, a.server.Status()); err != nil {
		a.refuse(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = w.Write(page.Bytes())
}
