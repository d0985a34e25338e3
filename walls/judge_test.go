package walls_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"
)

// judge compares a pool with the server itself, a script after the other. It is used
// by one goroutine.
type judge struct {
	direct, pooled *side
	facts          facts
	numbers        *atomic.Int64 // of compositions, unique for both servers
	recent         []composition // since the pool's server connection is new
	lacks          []string      // kinds of state that the servers do not have
	skips          func(composition) bool
	othersOnly     bool // only what clients see that have done nothing matters
}

// verdict is what came of one comparison.
type verdict struct {
	plan
	direct, pooled trace
	differences    []difference // that are not allowed
	allowed        bool         // there are some that are
	shared         bool         // B had the server connection that A had had
	refused        string       // an error of the server itself, so that the composition shows little
}

// String returns a script to follow by hand, and what came of it.
func (v verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  as role %s, through a pool of one server connection:\n", v.plan.role)
	for _, text := range v.before() {
		fmt.Fprintf(&b, "    -- before, by a superuser: %s\n", text)
	}
	for _, i := range v.pooled.order {
		fmt.Fprintf(&b, "    %c: %s\n", v.script[i].who, v.script[i])
	}
	for who, why := range v.pooled.pins {
		fmt.Fprintf(&b, "  %c was pinned: %s\n", who, why)
	}
	if v.pooled.failure != nil {
		fmt.Fprintf(&b, "  %v\n", v.pooled.failure)
	}
	b.WriteString("  direct | pooled\n")
	for _, d := range v.differences {
		fmt.Fprintf(&b, "    %s", d)
	}
	return printable(seededArray.ReplaceAllLiteralString(b.String(), "'{...}'"))
}

// printable shows the bytes that are not UTF-8.
func printable(text string) string {
	var b strings.Builder
	for text != "" {
		r, n := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && n == 1 {
			fmt.Fprintf(&b, `\x%02x`, text[0])
		} else {
			b.WriteString(text[:n])
		}
		text = text[n:]
	}
	return b.String()
}

// seededArray matches the values of random() in a script.
var seededArray = regexp.MustCompile(`'\{0\.[0-9.e,-]+\}'`)

// judge runs a plan on both sides, and all that it needs before and afterwards.
func (j *judge) judge(p plan) (v verdict, err error) {
	if err := errors.Join(j.pooled.define(p), j.direct.define(p)); err != nil {
		return verdict{plan: p}, err
	}
	if p.objects != "" {
		if err := j.pooled.rescan(p.role); err != nil {
			return verdict{plan: p}, err
		}
	}
	if p.schema != "" {
		p.cleanup = append(p.cleanup, "DROP SCHEMA IF EXISTS "+p.schema+" CASCADE")
	}
	return j.compare(p)
}

// compare runs the script of a plan on both sides.
func (j *judge) compare(p plan) (v verdict, err error) {
	v.plan = p
	v.pooled = j.pooled.play(p, nil)
	v.direct = j.direct.play(p, v.pooled.order)
	if err := v.direct.failure; err != nil {
		return v, fmt.Errorf("without a proxy: %w", err)
	}
	all := differencesOf(p.script, v.direct, v.pooled)
	v.differences = notAllowed(all, p)
	if j.othersOnly {
		v.differences = slices.DeleteFunc(v.differences, func(d difference) bool { return acts(p.script, d.who) })
	}
	v.allowed = len(all) > 0 && len(v.differences) == 0
	backends := map[byte]string{}
	for i, st := range p.script {
		switch {
		case st.verb == observe:
			backends[st.who] = backendOf(v.pooled.replies[i])
		case st.verb == send || st.verb == call:
			for _, line := range v.direct.replies[i] {
				if strings.HasPrefix(line, "ERROR ") && !strings.HasPrefix(line, "ERROR 22012 ") { // 1/0
					v.refused = line
				}
			}
		}
	}
	v.shared = backends[clientA] == backends[clientB]
	if err := j.pooled.exec(p.cleanup); err != nil {
		// A session of the pool may still use an object: that is a difference that
		// the observation has shown, or a transaction that is about to end.
		if err := errors.Join(j.renew(), j.pooled.exec(p.cleanup)); err != nil && len(v.differences) == 0 {
			return v, fmt.Errorf("clean up behind the proxy: %w", err)
		}
	}
	if err := j.direct.exec(p.cleanup); err != nil {
		return v, fmt.Errorf("clean up: %w", err)
	}
	if len(v.differences) > 0 {
		return v, j.renew()
	}
	return v, nil
}

// renew gives the pool a new server connection.
func (j *judge) renew() error {
	j.recent = nil
	return errors.Join(j.pooled.renew(), j.pooled.terminate())
}

// terminate ends all sessions of the database but the side's own, and waits for
// their end.
func (s *side) terminate() error {
	const sessions = " FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
	for began := time.Now(); ; {
		results, err := s.admin.Exec(context.Background(), "SELECT pg_terminate_backend(pid)"+sessions).ReadAll()
		var e *pgconn.PgError
		if err != nil && !errors.As(err, &e) {
			return err
		}
		if err == nil && len(results[0].Rows) == 0 {
			return nil
		}
		if time.Since(began) > stepTimeout {
			return errors.New("sessions do not end")
		}
		time.Sleep(time.Millisecond)
	}
}

// shrink returns the smallest composition like c that still fails in one of the
// ways that v has.
func (j *judge) shrink(c composition, v verdict) (composition, verdict, error) {
	smallest, err := j.try(c)
	if err != nil || !smallest.isLike(v) {
		smallest.differences = nil
		return c, smallest, err
	}
	for again := true; again; {
		again = false
		for _, smaller := range c.simpler() {
			tried, err := j.try(smaller)
			if err != nil {
				return c, smallest, err
			}
			if tried.isLike(v) {
				c, smallest, again = smaller, tried, true
				break
			}
		}
	}
	return c, smallest, nil
}

// isLike reports whether a difference of v is one of other's, too.
func (v verdict) isLike(other verdict) bool {
	known := map[string]bool{}
	for _, d := range other.differences {
		for _, key := range d.keys() {
			known[key] = true
		}
	}
	for _, d := range v.differences {
		if slices.ContainsFunc(d.keys(), func(key string) bool { return known[key] }) {
			return true
		}
	}
	return false
}

// culprits returns the compositions of before that must run before c, so that it
// fails as it did in v: the last ones, as few as possible.
func (j *judge) culprits(c composition, v verdict, before []composition) ([]composition, error) {
	fails := func(before []composition) (bool, error) {
		if err := j.renew(); err != nil {
			return false, err
		}
		for _, b := range before {
			if _, err := j.try(b); err != nil {
				return false, err
			}
		}
		tried, err := j.try(c)
		return tried.isLike(v), err
	}
	for n := 1; n <= len(before); n *= 2 {
		last := before[len(before)-n:]
		if again, err := fails(last); err != nil || !again {
			if err != nil {
				return nil, err
			}
			continue
		}
		for i := 0; i < len(last); i++ {
			less := slices.Concat(last[:i], last[i+1:])
			again, err := fails(less)
			if err != nil {
				return nil, err
			}
			if again {
				last = less
				i--
			}
		}
		return last, nil
	}
	return nil, nil
}

// try judges a composition under a number of its own, with new sessions.
func (j *judge) try(c composition) (verdict, error) {
	j.recent = append(j.recent, c)
	p := c.plan(int(j.numbers.Add(1)), j.facts)
	p.renewable = nil
	return j.judge(p)
}

// simpler returns the compositions that are one step simpler than c, the simplest
// first.
func (c composition) simpler() (all []composition) {
	add := func(change func(*composition)) {
		s := c.clone()
		change(&s)
		all = append(all, s)
	}
	for i := range c.parts {
		if len(c.parts) > 1 || len(c.other) > 0 {
			add(func(s *composition) { s.parts = append(s.parts[:i], s.parts[i+1:]...) })
		}
	}
	for i := range c.other {
		add(func(s *composition) { s.other = append(s.other[:i], s.other[i+1:]...) })
	}
	if c.a != 0 {
		add(func(s *composition) { s.a = 0 })
	}
	if c.b != 0 {
		add(func(s *composition) { s.b = 0 })
	}
	if c.moved {
		add(func(s *composition) { s.moved = false })
	}
	if c.elsewhere {
		add(func(s *composition) { s.elsewhere = false })
	}
	if c.stocked {
		add(func(s *composition) { s.stocked = false })
	}
	if c.role == superuser {
		add(func(s *composition) { s.role = ordinary })
	}
	for i := range c.parts {
		for _, p := range c.parts[i].simpler() {
			add(func(s *composition) { s.parts[i] = p })
		}
	}
	for i := range c.other {
		for _, p := range c.other[i].simpler() {
			add(func(s *composition) { s.other[i] = p })
		}
	}
	return all
}

// simpler returns the parts that are one step simpler than p.
func (p part) simpler() (all []part) {
	add := func(change func(*part)) {
		s := p
		s.carriers = append([]*carrier(nil), p.carriers...)
		change(&s)
		all = append(all, s)
	}
	if len(p.carriers) > 1 {
		add(func(s *part) { s.carriers = nil })
	}
	for i := range p.carriers {
		add(func(s *part) { s.carriers = append(s.carriers[:i], s.carriers[i+1:]...) })
	}
	if p.scope != &scopes[0] {
		add(func(s *part) { s.scope = &scopes[0] })
	}
	if p.protocol != &protocols[0] {
		add(func(s *part) { s.protocol = &protocols[0] })
	}
	if p.apiece {
		add(func(s *part) { s.apiece = false })
	}
	if p.dropped {
		add(func(s *part) { s.dropped = false })
	}
	if p.undone {
		add(func(s *part) { s.undone = false })
	}
	if p.form > 0 {
		add(func(s *part) { s.form = 0 })
	}
	return all
}
