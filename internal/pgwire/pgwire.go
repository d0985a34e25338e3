// Package pgwire is what everything that speaks Postgres from the server's
// side shares: the packets that come before login, and errors as messages.
package pgwire
