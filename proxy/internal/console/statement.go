package console

import (
	"context"
	"fmt"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// statement is one that has been parsed. An empty one has no run.
type statement struct {
	tag      string // of CommandComplete
	counted  bool   // the number of rows follows the tag
	argument string // for the log
	columns  []column
	admin    bool            // it takes one
	status   pgwire.TxStatus // of the session afterwards, 0 for no change
	run      func(context.Context) ([]row, error)
	after    func() // to be called when the client has its answer; may be nil
}

// portal is a statement that the client has bound.
type portal struct {
	*statement
	formats []int16
	ran     bool
	rows    []row // not sent yet
	sent    int
}

// complete returns the command tag when all rows are sent.
func (p *portal) complete() []byte {
	if p.counted {
		return fmt.Appendf(nil, "%s %d", p.tag, p.sent)
	}
	return []byte(p.tag)
}
