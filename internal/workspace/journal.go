package workspace

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

// journal records the failed requests of one login.
type journal struct {
	mu        sync.Mutex
	temporary *Error // the latest
	refusal   *Error // the latest
	noToken   *Error // a refusal to issue a token
	cli       error
}

func (j *journal) note(req *http.Request, e *Error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.Temporary():
		j.temporary = e
	case req.Method == http.MethodPost:
		j.noToken = e
	default:
		j.refusal = e
	}
}

func (j *journal) noteCLI(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cli = err
}

func (j *journal) cliError() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.cli == nil {
		return ""
	}
	return sdkconfig.DatabricksCliCredentials.Name() + ": " + j.cli.Error()
}

// worst returns the error that best explains a failed login, nil if there is
// none. A refusal to issue a token is certain, and so is a temporary failure.
// Other refusals may come from a wrong address after a temporary failure or, if
// no method is configured, from the SDK's attempts at all of them.
func (j *journal) worst() (e *Error, certain bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e := cmp.Or(j.noToken, j.temporary); e != nil {
		return e, true
	}
	return j.refusal, false
}

// explain turns an error of the SDK into an [Error]. The SDK tries one method
// after another and may hide why they failed; the journal of its requests shows.
func (j *journal) explain(err error, config *sdkconfig.Config) *Error {
	e, certain := j.worst()
	if e != nil && (certain || !errors.Is(err, sdkconfig.ErrCannotConfigureDefault)) {
		return e
	}
	e = &Error{Op: loginOp, Auth: true}
	if isNetwork(err) {
		e.Message, e.Err = "no answer", err
		return e
	}
	// The SDK's own text, without the configuration that it appends.
	message, _, _ := strings.Cut(err.Error(), ". Config: ")
	message, _, _ = strings.Cut(message, ". Env: ")
	if hint := j.cliError(); hint != "" {
		message += " (" + hint + ")"
	}
	e.Code, e.Message = codeUnauthenticated, quotable(message, configSecrets(config))
	return e
}

func isNetwork(err error) bool {
	var n net.Error
	return errors.As(err, &n) || errors.Is(err, context.DeadlineExceeded)
}
