package doctor

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// masked are what names of a workspace look like, with what stands for them.
var masked = sync.OnceValue(func() []nameForm {
	return []nameForm{
		{regexp.MustCompile(`(?i)\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`), "<uuid>"},
		{regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`), "<email>"},
		{regexp.MustCompile(`(?i)\b(?:ep|instance|dbc|adb)-[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?`), "<host>"},
		{regexp.MustCompile(`(?i)\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:databricks\.com|azuredatabricks\.net)\b`), "<host>"},
		{regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b(?::\d+)?`), "<address>"},
		{regexp.MustCompile(`(?i)\[?\b[0-9a-f]{1,4}(?::[0-9a-f]{0,4}){3,7}\b\]?(?::\d+)?`), "<address>"},
		{regexp.MustCompile(`projects/[\w-]+(?:/\w+/[\w-]+)*`), "<path>"},
		{regexp.MustCompile(`\b\d{12,}\b`), "<number>"},
		{regexp.MustCompile(`(certificate is (?:not )?valid for) .*`), "$1 <other names>"},
	}
})

type nameForm struct {
	form        *regexp.Regexp
	placeholder string
}

// mask returns a function that replaces the names that the run has met, and all that
// looks like a name of a workspace, a host or an identity.
func (v *visit) mask() func(string) string {
	replacements := map[string]string{
		v.user(): "<your role>", v.identity: "<your identity>", v.subject: "<identity of the token>", v.targetName(): "<target>",
		v.target.Instance: "<instance>", v.target.Endpoint: "<endpoint>", v.pooledHost: "<pooled host>", v.target.Host: "<host>", v.target.Named: "<host>",
	}
	for _, part := range strings.Split(v.target.Endpoint, "/") {
		replacements[part] = "<name>"
	}
	for _, s := range v.servers {
		replacements[s.Host] = "<host>"
	}
	for _, a := range v.addresses {
		replacements[a.ip] = "<address>"
	}
	for _, g := range v.groups {
		replacements[g] = "<group>"
	}
	if u, err := url.Parse(v.workspaceURL); err == nil {
		replacements[u.Host], replacements[u.Hostname()] = "<workspace>", "<workspace>"
	}
	if host, _, err := net.SplitHostPort(v.workspaceURL); err == nil {
		replacements[host] = "<workspace>"
	}
	if v.steps != nil && v.steps.Database != defaultDatabase {
		replacements[v.steps.Database] = "<database>"
	}
	var names []string
	for name := range replacements {
		if len(name) > 2 && !slices.Contains([]string{"projects", "branches", "endpoints", "primary", "production", madeUp}, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) }) // so that none is replaced in part
	return func(text string) string {
		for _, name := range names {
			text = regexp.MustCompile(`(?i)(^|[^\w])`+regexp.QuoteMeta(name)+`($|[^\w])`).ReplaceAllString(text, "${1}"+replacements[name]+"${2}")
		}
		for _, m := range masked() {
			text = m.form.ReplaceAllString(text, m.placeholder)
		}
		return text
	}
}
