// Package pgwire implements the server's side of the PostgreSQL protocol as far
// as a proxy needs it: the negotiation before the login, the framing of the
// messages after it, the bodies of some of these messages, and errors.
//
// It parses the packets before the login itself because pgproto3 rejects unknown
// protocol versions and long cancel keys, which a server must answer.
//
// Comments refer to the chapter "Frontend/Backend Protocol" of the PostgreSQL
// documentation by the titles of its sections.
package pgwire
