package doctor

import (
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase/internal/redact"
)

// Secrets holds the values that must not appear in a report, and hides them.
// It is the last line of defence: nothing that is reported is meant to hold a
// secret. It is safe for concurrent use.
type Secrets struct {
	mu     sync.Mutex
	values []string // longest first, so that none is hidden in part
}

// Shorter values are words rather than secrets, and hiding them would spoil the
// text: for values that are known to be secret, and for those of variables
// whose names look like it.
const (
	shortestSecret = 4
	shortestGuess  = 8
)

// NewSecrets returns the secrets of this environment: passwords, access
// tokens and client secrets in variables and in the Databricks profiles.
func NewSecrets() *Secrets {
	s := &Secrets{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		ours := strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "DATABRICKS_") || strings.HasPrefix(name, "LAKEBASE_")
		if secretName.MatchString(name) && (ours || len(value) >= shortestGuess) {
			s.Add(value)
		}
	}
	profiles, err := sdkconfig.LoadFile(strings.TrimSpace(os.Getenv("DATABRICKS_CONFIG_FILE")))
	for i := range sdkconfig.ConfigAttributes {
		a := &sdkconfig.ConfigAttributes[i]
		if !a.Sensitive {
			continue
		}
		value, _ := a.ReadEnv()
		s.Add(value)
		if err != nil { // a file that cannot be read has no secrets
			continue
		}
		for _, section := range profiles.Sections() {
			s.Add(section.Key(a.Name).String())
		}
	}
	return s
}

// secretName matches the names of variables with a secret of any program.
var secretName = regexp.MustCompile(`(?i)(pass|passwd|password|secret|token|credentials?|api_?key)$`)

// Add makes values secret.
func (s *Secrets) Add(values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range values {
		if value = strings.TrimSpace(value); len(value) >= shortestSecret && !slices.Contains(s.values, value) {
			s.values = append(s.values, value)
		}
	}
	slices.SortStableFunc(s.values, func(a, b string) int { return len(b) - len(a) })
}

var (
	userinfo   = regexp.MustCompile(`(://[^\s/:@]*):[^\s/@]+@`)
	assignment = regexp.MustCompile(`(?i)\b(password|passwd|client_secret|token)=[^\s&;,"']+`)
)

// Hide replaces every secret in text.
func (s *Secrets) Hide(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, value := range s.values {
		text = strings.ReplaceAll(text, value, redact.Placeholder)
	}
	text = redact.Tokens(text)
	text = userinfo.ReplaceAllString(text, "$1:"+redact.Placeholder+"@")
	return assignment.ReplaceAllString(text, "$1="+redact.Placeholder)
}

// Log collects what the library logs during a [Run], without secrets. Each Write
// must be one or more whole lines, as those of slog's handlers are. It is safe
// for concurrent use, also after the run: an abandoned login still writes to it.
type Log struct {
	Secrets *Secrets
	Copy    io.Writer // receives the same; nil for none

	mu   sync.Mutex
	text strings.Builder
}

func (l *Log) Write(p []byte) (int, error) {
	text := l.Secrets.Hide(string(p))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(text)
	if l.Copy != nil {
		if _, err := io.WriteString(l.Copy, text); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
