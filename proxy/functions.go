package proxy

import "time"

// functionsInterval is how often the functions of a database are read again:
// others than the pool's clients may have changed them.
const functionsInterval = time.Minute

// maintainFunctions makes the functions of the database be read again when it is
// time. The janitor alone calls it.
func (p *pool) maintainFunctions() {
	catalog := &p.statements.Catalog
	catalog.Trust(p.env.config().TrustFunctions)
	if time.Since(p.functionsRead) < functionsInterval {
		return
	}
	p.functionsRead = time.Now()
	if err := catalog.Err(); err != nil {
		db := p.database.label()
		p.env.log.Warn("cannot read the functions of a database: what they leave in a session is not noticed",
			"target", db.Target, "database", db.Name, "error", err)
	}
	catalog.Outdate()
}
