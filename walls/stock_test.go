package walls_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// blockSize is the number of compositions whose objects are in one stock.
const blockSize = 200

// numbered is a composition of a run.
type numbered struct {
	composition
	number int
	plan   plan
}

// block returns the compositions of a run from first on, before end: those whose
// objects are in a stock, and the others.
func (j *judge) block(first, end int) (stocked, others []numbered) {
	for i := first; i < end; i++ {
		random := rand.New(rand.NewPCG(*seed, uint64(i)))
		c := draw(random)
		for c.isOfKind(j.lacks) || j.skips != nil && j.skips(c) {
			c = draw(random)
		}
		n := numbered{c, i, c.plan(int(j.numbers.Add(1)), j.facts)}
		if c.stocked {
			stocked = append(stocked, n)
		} else {
			others = append(others, n)
		}
	}
	return stocked, others
}

// stock returns a judge for a new database that has the objects of these compositions.
func (j *judge) stock(all []numbered) (*judge, error) {
	s := &judge{facts: j.facts, numbers: j.numbers, othersOnly: j.othersOnly}
	var errs [2]error
	s.direct, errs[0] = j.direct.stock(all)
	s.pooled, errs[1] = j.pooled.stock(all)
	return s, errors.Join(errs[:]...)
}

// close closes both sides.
func (j *judge) close() {
	j.direct.close()
	j.pooled.close()
}

// stock returns a side for a new database that has the objects of these compositions.
// It replaces the last one.
func (s *side) stock(all []numbered) (*side, error) {
	name := s.database + "_stock"
	drop := fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)
	if err := s.exec(append([]string{drop}, createDatabase(name)...)); err != nil {
		return nil, err
	}
	stock, err := newSide(s.c, name, s.proxy)
	if err != nil {
		return stock, err
	}
	for _, n := range all {
		if err := stock.define(n.plan); err != nil {
			return stock, err
		}
	}
	if s.proxy != "" {
		for _, role := range []string{ordinary, superuser} {
			err = errors.Join(err, stock.rescan(role))
		}
	}
	return stock, err
}
