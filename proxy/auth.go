package proxy

import (
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
	conversation, err := users.conversation(user)
	if err != nil {
		return err
	}
	var initial pgproto3.SASLInitialResponse
	if err := exchangeSASL(conn, &pgproto3.AuthenticationSASL{AuthMechanisms: []string{scramName}}, &initial); err != nil {
		return err
	}
	if initial.AuthMechanism != scramName {
		return malformedSASL()
	}
	challenge, err := conversation.Step(string(initial.Data))
	if err != nil {
		return authError(user, challenge)
	}
	var final pgproto3.SASLResponse
	if err := exchangeSASL(conn, &pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)}, &final); err != nil {
		return err
	}
	signature, err := conversation.Step(string(final.Data))
	if err != nil || !conversation.Valid() {
		return authError(user, signature)
	}
	conn.out, err = (&pgproto3.AuthenticationSASLFinal{Data: []byte(signature)}).Encode(conn.out) // sent with what follows
	return err
}

// exchangeSASL sends a message of the authentication and reads the response.
func exchangeSASL(conn *clientConn, request pgproto3.BackendMessage, response pgproto3.FrontendMessage) (err error) {
	if conn.out, err = request.Encode(conn.out); err != nil {
		return err
	}
	if err := conn.flush(); err != nil {
		return err
	}
	m, err := pgwire.ReadMessage(conn.conn, maxSASL)
	if err != nil {
		return err
	}
	if m.Type != 'p' {
		return &pgwire.Error{Code: "08P01", Message: fmt.Sprintf("expected SASL response, got message type %q", m.Type)}
	}
	if response.Decode(m.Body) != nil {
		return malformedSASL()
	}
	return nil
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
