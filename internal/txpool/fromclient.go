package txpool

import (
	"bytes"
	"encoding/binary"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// FromClient takes bytes that the client sent, and appends what is to be sent
// to the server and to the client. It returns the part of the chunk that it
// could not take because the relay is [Relay.Stalled] or the client has
// terminated. An error is a [*pgwire.Error] to end the client's session with.
func (x *Relay) FromClient(chunk, toServer, toClient []byte) (rest, server, client []byte, err error) {
	x.toServer, x.toClient = toServer, toClient
	rest, err = x.takeClient(chunk)
	server, client = x.toServer, x.toClient
	x.toServer, x.toClient = nil, nil
	return rest, server, client, err
}

func (x *Relay) takeClient(chunk []byte) ([]byte, error) {
	in := &x.fromClient
	if x.blocked || x.refused != nil || !x.held && x.isUntidy() && x.lookInto() || x.unsettled && !x.begin() {
		x.stalled = true
		return chunk, nil
	}
	if x.held && !x.gathered() {
		return chunk, nil
	}
	for len(chunk) > 0 && !x.terminated {
		span, err := in.scanner.Next(chunk)
		if err != nil {
			return chunk, err
		}
		piece := chunk[:span.Size]
		switch {
		case span.Whole() && span.First() && rewritten(span.Type):
			if !x.message(piece) {
				return chunk, nil
			}
		case rewritten(span.Type) && !in.begun:
			if span.Length > textLimit && pgwire.ClientType(span.Type) != pgwire.ClientBind {
				return chunk, errTextTooLong(span.Length)
			}
			in.gathered = append(in.gathered, piece...)
			in.missing = span.Length - len(in.gathered)
			if (span.Last() || canBegin(in.gathered)) && !x.gathered() {
				return chunk[span.Size:], nil
			}
		case in.begun:
			if in.pass {
				x.toServer = append(x.toServer, piece...)
			}
			in.begun = !span.Last()
		default:
			if span.First() {
				in.pass = x.passes(pgwire.ClientType(span.Type))
			}
			if in.pass {
				x.toServer = append(x.toServer, piece...)
			}
			x.terminated = span.Last() && pgwire.ClientType(span.Type) == pgwire.ClientTerminate
		}
		chunk = chunk[span.Size:]
	}
	x.stalled = false
	return chunk, nil
}

// rewritten reports whether messages of a type are needed whole.
func rewritten(typ byte) bool {
	switch pgwire.ClientType(typ) {
	case pgwire.ClientQuery, pgwire.ClientParse, pgwire.ClientBind, pgwire.ClientDescribe, pgwire.ClientClose:
		return true
	}
	return false
}

// passes takes the beginning of a message whose content does not matter, and
// reports whether the server gets it.
func (x *Relay) passes(t pgwire.ClientType) bool {
	switch t {
	case pgwire.ClientTerminate:
		return false
	case pgwire.ClientSync:
		x.sync()
		return true
	case pgwire.ClientCopyData, pgwire.ClientCopyDone, pgwire.ClientCopyFail:
		// With nothing to answer there is no copy: these come late, after
		// the error that ended it.
		if x.skipping || x.queue.n == 0 {
			return false
		}
		if t != pgwire.ClientCopyData {
			x.expect(copyEnd, swallow)
			x.copyIn = false
		}
		return true
	}
	if x.skipping {
		return false
	}
	switch t {
	case pgwire.ClientExecute:
		x.expect(execute, forward)
	case pgwire.ClientFunctionCall:
		x.expect(query, forward)
	}
	return true
}

func (x *Relay) sync() {
	if x.copyIn { // Postgres ignores it
		x.syncInCopy = true
		x.keep(pinSyncInCopy, x.server.segment)
		return
	}
	x.skipping = false
	x.expect(synced, forward)
}

// message takes a whole message of a type that is rewritten. It reports
// whether it could: if not, the message is stalled and nothing has changed.
func (x *Relay) message(m []byte) bool {
	if x.skipping {
		x.stalled = false
		return true
	}
	taken := false
	if x.queue.n < queueLimit {
		taken = x.rewrite(pgwire.ClientType(m[0]), m[pgwire.HeaderSize:], m)
	} else if !x.stalled {
		// Nothing else may make the server send the answers it buffers.
		x.toServer = pgwire.AppendFlush(x.toServer)
	}
	x.stalled = !taken
	return taken
}

func (x *Relay) rewrite(t pgwire.ClientType, body, m []byte) bool {
	switch t {
	case pgwire.ClientParse:
		if p, err := pgwire.DecodeParse(body); err == nil {
			return x.parse(p, m)
		}
		x.pass(parse, m)
	case pgwire.ClientBind:
		if b, err := pgwire.DecodeBind(body); err == nil {
			return x.bind(b, m)
		}
		x.pass(bind, m)
	case pgwire.ClientDescribe:
		if o, err := pgwire.DecodeDescribe(body); err == nil && o.Kind == pgwire.PreparedStatement {
			return x.describe(o.Name, m)
		}
		x.pass(describe, m)
	case pgwire.ClientClose:
		if o, err := pgwire.DecodeClose(body); err == nil && o.Kind == pgwire.PreparedStatement {
			return x.close(o.Name, m)
		}
		x.pass(closing, m)
	default:
		return x.query(body, m)
	}
	return true
}

// pass sends a message as it is, malformed ones too: refusing them is the
// server's business.
func (x *Relay) pass(k kind, m []byte) *expected {
	x.toServer = append(x.toServer, m...)
	return x.expect(k, forward)
}

func (x *Relay) query(body, m []byte) bool {
	text, err := pgwire.DecodeQuery(body)
	if err != nil {
		x.replaceUnnamed(x.pass(query, m))
		return true
	}
	r := x.client.table.read(text)
	if name := deallocated(text, r.Impact); name != "" {
		if !x.settled(x.namesChanged) {
			return false
		}
		if x.client.named[name] != nil {
			x.setDecoy()
			x.toServer = pgwire.AppendQuery(x.toServer, deallocateDecoy)
			e := x.expect(query, forward)
			x.forgetNamed(name, e)
			x.replaceUnnamed(e)
			return true
		}
	}
	x.client.mention(r.Custom)
	x.guardSequences(r.Impact)
	x.send(r.Impact)
	x.replaceUnnamed(x.pass(query, m))
	return true
}

// replaceUnnamed notes that the client's message drops the unnamed statement.
func (x *Relay) replaceUnnamed(e *expected) {
	c := x.client
	e.version, e.marks = c.version, c.unnamedMarks
	c.versions++
	c.version, c.unnamedMarks = c.versions, 0
	x.takeUnnamed(e)
}

// takeUnnamed notes that the server's unnamed statement becomes the client's.
func (x *Relay) takeUnnamed(e *expected) {
	e.replaces, e.former = true, x.server.unnamed
	e.later = unnamed{x.client, x.client.version}
	x.server.unnamed = e.later
	x.unnamedChanged = e.segment
}

func (x *Relay) parse(p pgwire.Parse, m []byte) bool {
	c, s := x.client, x.server
	if len(p.Name) == 0 {
		r := c.table.read(p.Query)
		name := deallocated(p.Query, r.Impact)
		if name != "" && !x.settled(x.namesChanged) {
			return false
		}
		var drops deallocation
		if c.named[name] != nil {
			drops.name = name
			m = appendParse(nil, "", deallocateDecoy+string(p.Rest[len(p.Query):]))
			p.Rest = m[pgwire.HeaderSize+1:]
		}
		c.mention(r.Custom)
		x.guardSequences(r.Impact)
		x.replaceUnnamed(x.pass(parse, m))
		c.rememberUnnamed(p, r.Impact)
		drops.version = c.version
		c.deallocates = drops
		return true
	}
	if !x.settled(x.namesChanged) {
		return false
	}
	if c.named[string(p.Name)] != nil {
		x.refuse(p)
		return true
	}
	age := x.age
	if age == 0 {
		age = c.table.age.Load()
	}
	st := c.table.intern(p, age)
	x.guardSequences(c.table.readingOf(st).Impact)
	name := string(p.Name)
	c.named[name] = st
	x.namesChanged = s.segment
	what := meaning{st, x.planning()}
	on := s.prepared[what]
	if on != nil && (s.status == pgwire.TxFailed || x.behind()) {
		// Only the server knows if the transaction has failed, and if this is
		// one of the statements that end it. It does not keep the copy.
		spare := s.spare(what)
		x.toServer = p.AppendRenamed(x.toServer, spare.name)
		e := x.expect(parse, forward)
		e.name, e.defined, e.spare = name, st, spare
		return true
	}
	if on != nil {
		s.use(on)
		e := x.expect(parse, fake)
		e.name, e.defined = name, st
		x.fakeNow()
		return true
	}
	x.makeRoom()
	on = s.add(what)
	x.toServer = p.AppendRenamed(x.toServer, on.name)
	e := x.expect(parse, forward)
	e.name, e.defined, e.added = name, st, on
	return true
}

// fakeNow fakes an answer at once if its turn has come and the client is not
// within a message.
func (x *Relay) fakeNow() {
	if x.fromServer.scanner.AtBoundary() {
		x.fakes()
	}
}

func (x *Relay) bind(b pgwire.Bind, m []byte) bool {
	if len(b.Statement) == 0 {
		if !x.haveUnnamed() {
			return false
		}
		c := x.client
		name := ""
		if d := c.deallocates; d.version == c.version && d.name != "" {
			if !x.settled(x.namesChanged) {
				return false
			}
			if c.named[d.name] != nil {
				name = d.name
				x.setDecoy()
			} else {
				x.dropDecoy() // nothing is to be found
			}
		}
		x.send(c.unnamedMarks)
		if e := x.pass(bind, m); name != "" {
			x.forgetNamed(name, e)
		}
		return true
	}
	on, ok := x.have(b.Statement)
	switch {
	case !ok:
		return false
	case on != nil:
		r := x.client.table.readingOf(on.Statement)
		x.client.mention(r.Custom)
		x.send(r.Impact)
		x.appendBind(b, on.name)
		x.expect(bind, forward).uses = on
	case foreign(b.Statement):
		x.appendBind(b, namePrefix+string(b.Statement))
		x.expect(bind, forward)
	default:
		x.pass(bind, m)
	}
	return true
}

// appendBind sends b, of which the end may be missing, with another name.
func (x *Relay) appendBind(b pgwire.Bind, name string) {
	start := len(x.toServer)
	x.toServer = b.AppendRenamed(x.toServer, name)
	if missing := x.fromClient.missing; missing > 0 {
		length := x.toServer[start+1:]
		binary.BigEndian.PutUint32(length, binary.BigEndian.Uint32(length)+uint32(missing))
	}
}

func (x *Relay) describe(name, m []byte) bool {
	if len(name) == 0 {
		if !x.haveUnnamed() {
			return false
		}
		x.pass(describe, m)
		return true
	}
	on, ok := x.have(name)
	switch {
	case !ok:
		return false
	case on != nil:
		x.toServer = pgwire.AppendDescribe(x.toServer, pgwire.PreparedStatement, on.name)
		x.expect(describe, forward).uses = on
	case foreign(name):
		x.toServer = pgwire.AppendDescribe(x.toServer, pgwire.PreparedStatement, namePrefix+string(name))
		x.expect(describe, forward)
	default:
		x.pass(describe, m)
	}
	return true
}

// foreign reports whether a name that the client has not prepared might be
// that of another client's statement.
func foreign(name []byte) bool { return bytes.HasPrefix(name, []byte(namePrefix)) }

// have makes sure that the server has the statement that the client calls
// name. It is nil if the client has none of that name: then the server may, by
// PREPARE, or must say that it has not. ok is false if that cannot be known
// before more answers come.
func (x *Relay) have(name []byte) (on *prepared, ok bool) {
	if !x.settled(x.namesChanged) {
		return nil, false
	}
	s := x.server
	st := x.client.named[string(name)]
	if st == nil {
		return nil, true
	}
	what := meaning{st, x.planning()}
	if on = s.prepared[what]; on != nil {
		s.use(on)
		return on, true
	}
	x.guardSequences(x.client.table.readingOf(st).Impact)
	x.makeRoom()
	on = s.add(what)
	x.toServer = appendParse(x.toServer, on.name, st.rest)
	x.expect(parse, swallow).added = on
	x.namesChanged = s.segment
	return on, true
}

// haveUnnamed makes sure that the server's unnamed statement is the client's,
// or that it has none if the client has none.
func (x *Relay) haveUnnamed() bool {
	if !x.settled(x.unnamedChanged) {
		return false
	}
	c, s := x.client, x.server
	if s.unnamed == (unnamed{c, c.version}) {
		return true
	}
	var e *expected
	if c.knowsUnnamed() {
		x.toServer = appendParse(x.toServer, "", string(c.unnamed))
		e = x.expect(parse, swallow)
	} else {
		x.toServer = pgwire.AppendClose(x.toServer, pgwire.PreparedStatement, "")
		e = x.expect(closing, swallow)
	}
	e.version, e.marks = c.version, c.unnamedMarks
	x.takeUnnamed(e)
	return true
}

// appendParse appends a Parse message; rest is what follows the name.
func appendParse(dst []byte, name, rest string) []byte {
	dst = append(dst, byte(pgwire.ClientParse))
	dst = binary.BigEndian.AppendUint32(dst, uint32(4+len(name)+1+len(rest)))
	dst = append(append(dst, name...), 0)
	return append(dst, rest...)
}

// makeRoom closes what the server need not keep prepared.
func (x *Relay) makeRoom() {
	s := x.server
	if s.status == pgwire.TxFailed {
		return
	}
	for _, p := range s.stale {
		x.drop(p)
	}
	s.stale = s.stale[:0]
	for p := s.oldest(); p != nil; p = s.oldest() {
		s.remove(p)
		x.drop(p)
	}
}

func (x *Relay) drop(p *prepared) {
	x.toServer = pgwire.AppendClose(x.toServer, pgwire.PreparedStatement, p.name)
	x.expect(closing, swallow).removed = p
}

// close forgets a statement of the client. The server keeps it for others.
func (x *Relay) close(name, m []byte) bool {
	if len(name) == 0 {
		x.replaceUnnamed(x.pass(closing, m))
		return true
	}
	if !x.settled(x.namesChanged) {
		return false
	}
	st := x.client.named[string(name)]
	if st == nil && !foreign(name) { // made by PREPARE, or nothing: both succeed
		x.pass(closing, m)
		return true
	}
	e := x.expect(closing, fake)
	if st != nil {
		x.forgetNamed(string(name), e)
	}
	x.fakeNow()
	return true
}
