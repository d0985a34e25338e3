package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

const scramName = "SCRAM-SHA-256"

// maxSASL bounds a client's authentication messages, in bytes.
const maxSASL = 4096

// authenticate makes the client prove its password, if there are any.
func (c *client) authenticate(user string) error {
	users := c.server.config().Users
	if users == nil {
		return nil
	}
	exchange := &scram{verifier: users.find(user)}
	err := c.exchange(exchange)
	switch {
	case errors.Is(err, errScramFormat):
		return &pgwire.Error{Code: "08P01", Message: err.Error()}
	case errors.Is(err, errScramPassword):
		return &pgwire.Error{Code: "28P01", Message: fmt.Sprintf("password authentication failed for user %q", user),
			Hint: "this is the password of the proxy, not of the database"}
	}
	return err
}

func (c *client) exchange(s *scram) error {
	if err := c.ask(&pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramName}}); err != nil {
		return err
	}
	initial, err := c.password()
	if err != nil {
		return err
	}
	first, err := saslInitial(initial)
	if err != nil {
		return err
	}
	challenge, err := s.first(first)
	if err != nil {
		return err
	}
	if err := c.ask(&pgproto3.AuthenticationSASLContinue{Data: challenge}); err != nil {
		return err
	}
	response, err := c.password()
	if err != nil {
		return err
	}
	proof, err := s.final(response)
	if err != nil {
		return err
	}
	c.out, err = (&pgproto3.AuthenticationSASLFinal{Data: proof}).Encode(c.out) // goes out with what follows
	return err
}

func (c *client) ask(m pgproto3.BackendMessage) error {
	var err error
	if c.out, err = m.Encode(c.out); err != nil {
		return err
	}
	return c.flush()
}

// password reads one message of the authentication exchange.
func (c *client) password() ([]byte, error) {
	m, err := pgwire.ReadMessage(c.Conn, maxSASL)
	if err != nil {
		return nil, err
	}
	if m.Type != 'p' {
		return nil, &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("expected SASL response, got message type %q", m.Type)}
	}
	return m.Body, nil
}

// saslInitial takes the SASLInitialResponse apart: mechanism, length, data.
func saslInitial(body []byte) ([]byte, error) {
	name, rest, ok := bytes.Cut(body, []byte{0})
	if !ok || string(name) != scramName || len(rest) < 4 {
		return nil, errScramFormat
	}
	if n := binary.BigEndian.Uint32(rest); uint64(n) != uint64(len(rest)-4) {
		return nil, errScramFormat
	}
	return rest[4:], nil
}
