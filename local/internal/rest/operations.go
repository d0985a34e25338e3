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

// operations keeps the operations of the API. It is safe for concurrent use.
type operations struct {
	mu  sync.Mutex
	all []*operation // oldest first
}

func (o *operations) get(name string) (operation, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, op := range o.all {
		if op.Name == name {
			return *op, nil
		}
	}
	return operation{}, apierror.Missing("operation")
}

// add enters an operation on a resource. kind is the resource's.
func (o *operations) add(resource, kind string) *operation {
	op := &operation{
		Name:     resource + "/operations/" + uuid.NewString(),
		Metadata: map[string]any{"@type": "type.googleapis.com/databricks.postgres.v1." + kind + "OperationMetadata"},
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all = append(o.all[max(0, len(o.all)+1-maxOperations):], op)
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

// operationRoutes routes the calls that wait for an operation. Its resource may
// be gone.
func (a *API) operationRoutes() {
	for _, resource := range []string{"", "/branches/{b}", "/branches/{b}/{list}/{id}"} {
		a.permitted("GET "+projectsPath+"/{p}"+resource+"/operations/{operation}", func(c *Call) (any, error) {
			return a.ops.get(strings.TrimPrefix(c.URL.Path, postgresPath))
		})
	}
}

// emptyResponse is the response of a deletion.
func emptyResponse() any {
	return map[string]any{"@type": "type.googleapis.com/google.protobuf.Empty"}
}

// later returns an operation that continues after the reply: work, and then
// response, which is called with the workspace's lock held.
func (a *API) later(resource, kind string, work func(context.Context) error, response func() any) operation {
	op := a.ops.add(resource, kind)
	begun := *op
	a.ws.Background(func(ctx context.Context) {
		if err := work(ctx); err != nil {
			a.o.Logger.Error("operation failed", "operation", op.Name, "error", err)
			a.ops.finish(op, nil, err)
			return
		}
		a.ws.Lock()
		defer a.ws.Unlock()
		a.ops.finish(op, response(), nil)
	})
	return begun
}

// done returns an operation that has ended.
func (a *API) done(resource, kind string, response any) operation {
	return a.ops.finish(a.ops.add(resource, kind), response, nil)
}
