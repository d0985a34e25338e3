package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
)

// finding is what a check returns.
type finding struct {
	status  Status // empty means OK
	summary string
	advice
	details []Detail
	err     error
}

// advice says what a failure or a warning means and the one thing to do.
type advice struct {
	meaning string
	action  string
	command string
}

// found is the finding of a check that passed.
func found(details []Detail, format string, args ...any) finding {
	return finding{summary: fmt.Sprintf(format, args...), details: details}
}

// warn turns f into a warning, or adds one more to it.
func (f finding) warn(summary string, a advice) finding {
	if f.status == Warning {
		f.details = append(f.details, Detail{Name: "also", Value: summary})
		return f
	}
	f.details = append(f.details, Detail{Name: "result", Value: f.summary})
	f.status, f.summary, f.advice = Warning, summary, a
	return f
}

// fail is the finding of a check that ended with err. Where a has no action,
// it is the error's hint.
func fail(err error, summary string, a advice, details ...Detail) finding {
	a.action = cmp.Or(a.action, asError(err).Hint)
	details = append(details, Detail{Name: "error", Value: withoutPrefix(err)})
	return finding{status: Failed, summary: summary, advice: a, details: details, err: err}
}

func (f finding) result(name string, took time.Duration) Result {
	return Result{
		Name: name, Status: cmp.Or(f.status, OK), Milliseconds: milliseconds(took), Summary: f.summary,
		Kind: string(asError(f.err).Kind), Meaning: f.meaning, Action: f.action, Command: f.command, Details: f.details, err: f.err,
	}
}

// asError returns the library's error in err's chain, or an empty one.
func asError(err error) *lakebase.Error {
	if e := (*lakebase.Error)(nil); errors.As(err, &e) {
		return e
	}
	return &lakebase.Error{}
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "lakebase: ") }

// rounded is d with no more digits than a reader needs.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
