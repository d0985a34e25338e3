package proxy

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// scramName is the only SASL mechanism that is offered: there is no channel
// binding.
const scramName = "SCRAM-SHA-256"

// maxSASL bounds a client's authentication messages, in bytes.
const maxSASL = 4096

// authenticate makes a client prove its password, if there are any.
func authenticate(conn *clientConn, users *Users, user string) error {
	if users == nil {
		return nil
	}
	return saslExchange{conn}.run(users, user)
}

// saslExchange has the messages of the authentication.
type saslExchange struct{ conn *clientConn }

func (c saslExchange) run(users *Users, user string) error {
	conversation, err := users.conversation(user)
	if err != nil {
		return err
	}
	if err := c.request(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramName}}); err != nil {
		return err
	}
	initial, err := c.readSASL()
	if err != nil {
		return err
	}
	first, err := decodeSASLInitial(initial)
	if err != nil {
		return err
	}
	challenge, err := conversation.Step(string(first))
	if err != nil {
		return authError(user, challenge)
	}
	if err := c.request(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)}); err != nil {
		return err
	}
	final, err := c.readSASL()
	if err != nil {
		return err
	}
	signature, err := conversation.Step(string(final))
	if err != nil || !conversation.Valid() {
		return authError(user, signature)
	}
	c.conn.out, err = (&pgproto3.AuthenticationSASLFinal{Data: []byte(signature)}).Encode(c.conn.out) // sent with what follows
	return err
}

// authError is the error for a client whose exchange ended with a server error
// of RFC 5802.
func authError(user, serverError string) *pgwire.Error {
	switch serverError {
	case scram.ErrInvalidProof:
		return &pgwire.Error{Code: "28P01", Message: fmt.Sprintf("password authentication failed for user %q", user),
			Hint: "this is the password of the proxy, not of the database"}
	case scram.ErrChannelBindingNotSupported:
		return &pgwire.Error{Code: "08P01", Message: "the client requires channel binding, which the proxy does not offer"}
	case scram.ErrChannelBindingsDontMatch:
		return &pgwire.Error{Code: "08P01", Message: "the SCRAM channel binding does not match"}
	}
	return malformedSASL()
}

func malformedSASL() *pgwire.Error {
	return &pgwire.Error{Code: "08P01", Message: "malformed SCRAM message"}
}

// request sends one message of the authentication exchange.
func (c saslExchange) request(m pgproto3.BackendMessage) error {
	var err error
	if c.conn.out, err = m.Encode(c.conn.out); err != nil {
		return err
	}
	return c.conn.flush()
}

// readSASL reads one message of the authentication exchange.
func (c saslExchange) readSASL() ([]byte, error) {
	m, err := pgwire.ReadMessage(c.conn.conn, maxSASL)
	if err != nil {
		return nil, err
	}
	if m.Type != 'p' {
		return nil, &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("expected SASL response, got message type %q", m.Type)}
	}
	return m.Body, nil
}

// decodeSASLInitial returns the data of a SASLInitialResponse: mechanism,
// length, data.
func decodeSASLInitial(body []byte) ([]byte, error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || string(name) != scramName || len(rest) < 4 {
		return nil, malformedSASL()
	}
	if n := binary.BigEndian.Uint32(rest); uint64(n) != uint64(len(rest)-4) {
		return nil, malformedSASL()
	}
	return rest[4:], nil
}
