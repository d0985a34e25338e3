package locate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Problem is what keeps a target from being used.
type Problem int

// The problems.
const (
	CallFailed  Problem = iota // Err is the error of a call to the workspace
	NotFound                   // there is no such target, or it is being deleted
	Unavailable                // it is starting, updating or failing over
	Stopped                    // it stays unavailable until it is started or enabled
)

// Error is a target that was not found or cannot be used.
type Error struct {
	Problem  Problem
	Resource string // name, path or host
	Message  string
	Hint     string
	Err      error // of a CallFailed
}

// Error returns the resource and what is wrong with it.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Resource + ": " + e.Err.Error()
	}
	return e.Resource + " " + e.Message
}

// Unwrap returns the error of the call.
func (e *Error) Unwrap() error { return e.Err }

func callError(resource string, err error) error {
	return &Error{Problem: CallFailed, Resource: resource, Err: err}
}

// isNotFoundHere reports whether err means that nothing has that name.
func isNotFoundHere(err error) bool {
	var e *Error
	return IsNotFound(err) || errors.As(err, &e) && e.Problem == NotFound
}

func ambiguous(parent, wanted string, names []string) error {
	hint := "create one, or name another resource"
	if len(names) > 0 {
		hint = "name one of: " + strings.Join(names, ", ")
	}
	return &Error{Problem: NotFound, Resource: parent, Message: "has no " + wanted, Hint: hint}
}

// usable turns a state that refuses connections into an error. An idle
// endpoint is usable: connecting wakes it.
func usable(name string, f Found) error {
	e := &Error{Problem: Unavailable, Resource: name, Message: "is " + string(f.State)}
	if f.RawState != "" {
		e.Message = fmt.Sprintf("is %s (%s)", f.State, f.RawState)
	}
	switch f.State {
	case workspace.Available:
		return nil
	case workspace.Stopped:
		e.Problem, e.Hint = Stopped, "start it in the workspace; connecting does not wake it"
		if f.RawState == DisabledState {
			e.Message, e.Hint = "is disabled", "enable it in the workspace; connecting does not wake it"
		}
	case workspace.Deleting:
		e.Problem, e.Hint = NotFound, "it is being deleted; name another"
	default:
		e.Hint = "wait until it is available"
	}
	return e
}

// NoHost is the error for a target without a host of the wanted kind.
func NoHost(name string, readOnly bool) error {
	if readOnly {
		return &Error{
			Problem: NotFound, Resource: name, Message: "has no read-only host",
			Hint: "enable readable secondaries, create a read-only endpoint, or connect read-write",
		}
	}
	return &Error{Problem: Unavailable, Resource: name, Message: "has no host yet", Hint: "wait until it is available"}
}
