package walls_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// trace is what came of a script.
type trace struct {
	order   []int // of the steps, by their index
	replies map[int]reply
	open    map[int]bool    // the steps in a transaction
	pins    map[byte]string // why a client was pinned when it mattered
	failure error           // of the harness or a reply that did not come
}

// run is a script on its way.
type run struct {
	*side
	plan
	trace
	wires map[byte]*wire
	done  []bool
	acts  map[byte]bool   // the clients that do more than to look
	lent  map[byte]result // logins to keep
}

// play runs a plan on s in the order of the script, or in another one if given.
// With a proxy, the order changes where a client keeps the only server connection:
// then it finishes its part and leaves before others are served.
func (s *side) play(p plan, order []int) trace {
	r := &run{side: s, plan: p, wires: map[byte]*wire{}, acts: map[byte]bool{}, lent: map[byte]result{}, done: make([]bool, len(p.script)),
		trace: trace{replies: map[int]reply{}, open: map[int]bool{}, pins: map[byte]string{}}}
	for _, who := range []byte(clients) {
		r.acts[who] = acts(p.script, who)
	}
	for i := range p.script { // at the end those that the other side has left out
		order = append(order, i)
	}
	for _, i := range order {
		if !r.done[i] && !r.repeats(p.script[i]) {
			r.step(i)
		}
	}
	for who := range r.wires {
		r.leave(who)
	}
	return r.trace
}

// repeats reports whether a step of D shows what B has seen: a client that only looks, after
// A has left. Compositions that are made smaller, and those with names, do not leave it out.
func (r *run) repeats(st step) bool {
	if st.who != clientD || r.proxy == "" || r.renewable == nil || r.acts[clientB] {
		return false
	}
	left, looked := -1, -1
	for at, i := range r.order {
		switch done := r.script[i]; {
		case done.who == clientB && done.verb == connect && !maps.Equal(done.startup, startups[0]):
			return false
		case done.who == clientA && done.verb == leave:
			left = at
		case done.who == clientB && done.verb == observe:
			looked = at
		}
	}
	return left >= 0 && looked > left
}

// step runs a step, and before it what must come before. While it waits for its
// reply, it looks whether another client keeps the server connection.
func (r *run) step(i int) {
	st, w := r.resolved(r.script[i]), r.wires[r.script[i].who]
	mayWait := r.proxy != "" && st.verb != leave && st.verb != reconnect && (w == nil || w.status == 'I')
	if mayWait && st.verb != connect {
		if other, waits := r.holder(st.who); waits {
			r.finish(other)
		}
	}
	if r.done[i] {
		return
	}
	r.done[i] = true
	if !mayWait {
		r.record(i, r.perform(st, w))
		return
	}
	performed := make(chan result, 1)
	go func() { performed <- r.perform(st, w) }()
	tick := time.NewTicker(pinCheckInterval)
	defer tick.Stop()
	for {
		select {
		case result := <-performed:
			r.record(i, result)
			return
		case <-tick.C:
			if other, waits := r.holder(st.who); waits {
				r.finish(other)
			}
		}
	}
}

// holder returns the client, other than who, that keeps the only server connection
// of the pool.
func (r *run) holder(who byte) (byte, bool) {
	var reasons map[string]string
	for _, other := range []byte(clients) {
		w := r.wires[other]
		if other == who || w == nil || w.gone {
			continue
		}
		if w.status != 'I' {
			r.pins[other] = "in a transaction"
			return other, true
		}
		if reasons == nil {
			var err error
			if reasons, err = r.pinned(); err != nil && r.failure == nil {
				r.failure = err
			}
		}
		if reason := reasons[strconv.FormatUint(uint64(w.pid), 10)]; reason != "" {
			r.pins[other] = reason
			return other, true
		}
	}
	return 0, false
}

// finish runs all that a client has yet to do.
func (r *run) finish(who byte) {
	for i, st := range r.script {
		if st.who == who && !r.done[i] {
			r.done[i] = true
			r.record(i, r.perform(r.resolved(st), r.wires[who]))
		}
	}
}

// resolved returns st with its messages.
func (r *run) resolved(st step) step {
	switch st.verb {
	case call:
		oid, err := r.oid(st.text)
		if err != nil {
			oid = 0 // which the server refuses
		}
		st.messages = functionCall(oid, st.arguments)
	case observe:
		st.messages = requests(st.items)
	}
	return st
}

// kind returns what sessions can stand for a client's in other scripts, "" for none:
// logins are what costs most. Without a proxy, a client that only looks has the same
// session after any number of them, and others have it after DISCARD ALL.
func (r *run) kind(who byte, startup map[string]string) string {
	switch {
	case r.proxy != "" || r.role == hurried || r.role == member || r.looksChange && !r.acts[who]:
		return ""
	case !r.acts[who]:
		return fmt.Sprint(looks, r.role, startup)
	case r.renewable[who]:
		return fmt.Sprint("acts as ", r.role, startup)
	}
	return ""
}

const looks = "looks as "

// leave ends the session of a client, or keeps it for another script.
func (r *run) leave(who byte) {
	l, w := r.lent[who], r.wires[who]
	delete(r.lent, who)
	delete(r.wires, who)
	if l.kind == "" || !w.renew(r.acts[who]) {
		w.leave(stepTimeout)
		return
	}
	r.kept[l.kind] = append(r.kept[l.kind], l)
}

// result is what came of a step.
type result struct {
	wire *wire  // of connect
	kind string // of connect: see kind
	said reply
	err  error
	took time.Duration
}

func (r *run) record(i int, result result) {
	if result.wire != nil {
		r.wires[r.script[i].who], r.lent[r.script[i].who] = result.wire, result
	}
	r.replies[i] = result.said
	r.order = append(r.order, i)
	if w := r.wires[r.script[i].who]; w != nil {
		r.open[i] = w.status != 'I'
	}
	if result.took > slow {
		r.replies[i] = append(r.replies[i], tookLong)
	}
	if result.err != nil && r.failure == nil {
		r.failure = fmt.Errorf("step %d, %c: %s: %w", i, r.script[i].who, r.script[i], result.err)
	}
}

// perform does what a step says.
func (r *run) perform(st step, w *wire) (done result) {
	began := time.Now()
	defer func() { done.took = time.Since(began) }()
	switch st.verb {
	case connect:
		return r.take(r.kind(st.who, st.startup), r.role, st.startup)
	case reconnect:
		done.err = r.renew()
		return done
	}
	if w == nil || w.gone {
		return result{said: reply{closed}}
	}
	if st.verb == leave {
		r.leave(st.who)
		return done
	}
	if st.verb == observe {
		return r.observe(st, w)
	}
	w.send(st.messages)
	done.said, done.err = w.exchange(replies(st.messages), stepTimeout)
	return done
}

// observe looks at everything. Temporary objects come before the items in a transaction,
// which an item may fail.
func (r *run) observe(st step, w *wire) (done result) {
	first, items := st.messages[:looked], st.messages[looked:]
	said := w.looked
	exchange := func(messages []pgproto3.FrontendMessage) (said reply) {
		if done.err == nil {
			w.send(messages)
			said, done.err = w.exchange(replies(messages), stepTimeout)
		}
		return said
	}
	switch {
	case said != nil:
	case w.status == 'I':
		first, items = st.messages, nil
		fallthrough
	default:
		said = exchange(first)
	}
	var objects reply
	if slices.ContainsFunc(said, hasTemporary) {
		objects = ofTemporary(exchange(query(temporaryObjects)))
	} else if n := endOf(said, looked); w.looked == nil && n > 0 && strings.HasPrefix(r.lent[st.who].kind, looks) && done.err == nil && !w.gone {
		w.looked = said[:n]
	}
	said = append(said[:len(said):len(said)], exchange(items)...)
	done.said = slices.Concat(described(said, st.items), objects, w.reported())
	return done
}

// endOf is the number of lines of the first n replies, 0 if there are fewer.
func endOf(said reply, n int) int {
	for i, line := range said {
		if strings.HasPrefix(line, "ready ") {
			if n--; n == 0 {
				return i + 1
			}
		}
	}
	return 0
}
