package local

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/google/uuid"
)

// maxOperations bounds how many are remembered; the oldest go first.
const maxOperations = 1000

// operation is a long-running operation as the API has it.
type operation struct {
	Name     string          `json:"name"`
	Done     bool            `json:"done"`
	Metadata map[string]any  `json:"metadata,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
	Error    *errorBody      `json:"error,omitempty"`
}

// operations remembers what was begun. Safe for concurrent use.
type operations struct {
	mu     sync.Mutex
	byName map[string]*operation
	order  []string
}

func (o *operations) get(name string) (operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op := o.byName[name]
	if op == nil {
		return operation{}, errMissing("operation")
	}
	return *op, nil
}

// add enters an operation on a resource.
func (o *operations) add(resource, kind string) *operation {
	op := &operation{
		Name:     resource + "/operations/" + uuid.NewString(),
		Metadata: map[string]any{"@type": "type.googleapis.com/databricks.postgres.v1." + kind + "OperationMetadata"},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byName == nil {
		o.byName = map[string]*operation{}
	}
	o.byName[op.Name] = op
	o.order = append(o.order, op.Name)
	if len(o.order) > maxOperations {
		delete(o.byName, o.order[0])
		o.order = o.order[1:]
	}
	return op
}

// finish ends an operation and returns it as it then is.
func (o *operations) finish(op *operation, response any, err error) operation {
	var raw json.RawMessage
	var failure *errorBody
	if err == nil {
		raw, err = json.Marshal(response)
	}
	if err != nil {
		refused := &apiError{Code: "INTERNAL_ERROR", Message: err.Error()}
		errors.As(err, &refused)
		body := refused.body(uuid.NewString())
		raw, failure = nil, &body
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	op.Done, op.Response, op.Error = true, raw, failure
	return *op
}

// emptyResponse is what a deletion ends with.
var emptyResponse = map[string]any{"@type": "type.googleapis.com/google.protobuf.Empty"}

// later answers with an operation that goes on after the reply: work, and
// then what it was about as the result.
func (a *restAPI) later(resource, kind string, work func(context.Context) error, result func() any) operation {
	op := a.ws.ops.add(resource, kind)
	begun := *op
	a.ws.background(func(ctx context.Context) {
		err := work(ctx)
		if err != nil {
			a.log.Error("operation failed", "operation", op.Name, "error", err)
			a.ws.ops.finish(op, nil, err)
			return
		}
		a.ws.ops.finish(op, result(), nil)
	})
	return begun
}

// done answers with an operation that has already ended.
func (a *restAPI) done(resource, kind string, response any) operation {
	return a.ws.ops.finish(a.ws.ops.add(resource, kind), response, nil)
}

func (a *restAPI) getOperation(c *call) (any, error) {
	return a.ws.ops.get(strings.TrimPrefix(c.URL.Path, postgresPath))
}
