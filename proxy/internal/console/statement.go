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

// complete returns the command tag after a number of rows.
func (st *statement) complete(rows int) string {
	if st.counted {
		return fmt.Sprintf("%s %d", st.tag, rows)
	}
	return st.tag
}

// portal is a statement that the client has bound.
type portal struct {
	*statement
	formats []int16
	ran     bool
	rows    []row // not sent yet
	sent    int
}
