package rest

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// maxOperations limits how many are kept; the oldest are removed first.
const maxOperations = 1000

// operation is a long-running operation.
type operation struct {
	Name     string          `json:"name"`
	Done     bool            `json:"done"`
	Metadata map[string]any  `json:"metadata,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
	Error    *apierror.Body  `json:"error,omitempty"`
}

// operations keeps the operations of the API. The zero value is empty. It is
// safe for concurrent use.
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
		return operation{}, apierror.Missing("operation")
	}
	return *op, nil
}

// add enters an operation on a resource. kind is the resource's.
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

// finish ends an operation and returns it.
func (o *operations) finish(op *operation, response any, err error) operation {
	var raw json.RawMessage
	if err == nil {
		raw, err = json.Marshal(response)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	op.Done, op.Response = true, raw
	if err != nil {
		body := apierror.From(err).Body(uuid.NewString())
		op.Response, op.Error = nil, &body
	}
	return *op
}

// emptyResponse is the response of a deletion.
func emptyResponse() any {
	return map[string]any{"@type": "type.googleapis.com/google.protobuf.Empty"}
}

// later returns an operation that continues after the reply: work, and then
// response, which is called with the workspace's lock held.
func (r *router) later(resource, kind string, work func(context.Context) error, response func() any) operation {
	op := r.ops.add(resource, kind)
	begun := *op
	r.ws.Background(func(ctx context.Context) {
		if err := work(ctx); err != nil {
			r.log.Error("operation failed", "operation", op.Name, "error", err)
			r.ops.finish(op, nil, err)
			return
		}
		r.ws.Lock()
		defer r.ws.Unlock()
		r.ops.finish(op, response(), nil)
	})
	return begun
}

// done saves the workspace and returns an operation that has ended.
func (r *router) done(resource, kind string, response any) (any, error) {
	return r.ops.finish(r.ops.add(resource, kind), response, nil), r.ws.Save()
}

func (r *router) getOperation(c *Call) (any, error) {
	return r.ops.get(strings.TrimPrefix(c.URL.Path, postgresPath))
}
