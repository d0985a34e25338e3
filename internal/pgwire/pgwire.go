// Package pgwire is what everything that speaks Postgres from the server's
// side shares: the packets that come before login, the framing of those that
// come after it, and errors as messages.
//
// The packets before login are parsed here rather than by pgproto3, which
// refuses unknown protocol versions and long cancel keys that a server must
// answer instead.
package pgwire
