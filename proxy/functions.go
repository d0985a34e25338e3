package proxy

import (
	"time"

	"github.com/lakebase-go/lakebase/internal/txpool"
)

// functionsInterval is how often the functions of a database are read again:
// others than the pool's clients may have changed them.
const functionsInterval = time.Minute

// functionReader sees to it that a pool knows the functions of its database. The
// janitor alone uses it.
type functionReader struct {
	env        *env
	database   database
	statements *txpool.Statements
	read       time.Time
}

func newFunctionReader(e *env, db database, statements *txpool.Statements) functionReader {
	statements.Catalog.Trust(e.config().TrustFunctions)
	return functionReader{env: e, database: db, statements: statements, read: time.Now()}
}

// maintain makes the functions be read again when it is time.
func (f *functionReader) maintain() {
	f.statements.Catalog.Trust(f.env.config().TrustFunctions)
	if time.Since(f.read) < functionsInterval {
		return
	}
	f.read = time.Now()
	if err := f.statements.Catalog.Err(); err != nil {
		db := f.database.label()
		f.env.log.Warn("cannot read the functions of a database: what they leave in a session is not noticed",
			"target", db.Target, "database", db.Name, "error", err)
	}
	f.statements.Catalog.Outdate()
}
