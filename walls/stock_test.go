package walls_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// numbered is a composition of a run.
type numbered struct {
	composition
	number int
	plan   plan
}

// blockSize is the number of compositions that share a database, and most of them a stock
// of objects.
const blockSize = 200

// block returns the compositions of a run from first on, before end: those that define
// their objects themselves, and those whose objects are in a stock, by the pervasive
// state that they have.
func (j *judge) block(first, end int) (others []numbered, stocked map[*state][]numbered) {
	stocked = map[*state][]numbered{}
	for i := first; i < end; i++ {
		random := rand.New(rand.NewPCG(*seed, uint64(i)))
		c := draw(random)
		for c.isOfKind(j.lacks) || j.skips != nil && j.skips(c) {
			c = draw(random)
		}
		n := numbered{c, i, c.plan(int(j.numbers.Add(1)), j.facts)}
		if !c.stocked {
			others = append(others, n)
			continue
		}
		var key *state
		for _, s := range c.pervasive() {
			key = s
		}
		stocked[key] = append(stocked[key], n)
	}
	return others, stocked
}

// renewed returns a judge for a new database, which replaces the last one.
func (j *judge) renewed() (*judge, error) {
	s := &judge{facts: j.facts, numbers: j.numbers, othersOnly: j.othersOnly}
	var errs [2]error
	s.direct, errs[0] = j.direct.renewed()
	s.pooled, errs[1] = j.pooled.renewed()
	return s, errors.Join(errs[:]...)
}

// stock defines the objects of these compositions.
func (j *judge) stock(all []numbered) error {
	for _, n := range all {
		if err := errors.Join(j.direct.define(n.plan), j.pooled.define(n.plan)); err != nil {
			return err
		}
	}
	return errors.Join(j.pooled.rescan(ordinary), j.pooled.rescan(superuser))
}

// close closes both sides.
func (j *judge) close() {
	j.direct.close()
	j.pooled.close()
}

// renewed returns a side for a new database, which replaces the last one.
func (s *side) renewed() (*side, error) {
	name := s.database + "_block"
	drop := fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)
	if err := s.exec(append([]string{drop}, createDatabase(name)...)); err != nil {
		return nil, err
	}
	return newSide(s.c, name, s.proxy)
}
