package proxy

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// scramIterations is what PostgreSQL uses too.
const scramIterations = 4096

// verifier is what a server keeps of a password (RFC 5802): enough to check
// it, not enough to log in with it.
type verifier struct {
	salt                 []byte
	iterations           int
	storedKey, serverKey []byte
}

func newVerifier(password string) (verifier, error) {
	salt := make([]byte, 16)
	rand.Read(salt)
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return verifier{}, err
	}
	storedKey := sha256.Sum256(mac(salted, "Client Key"))
	return verifier{salt: salt, iterations: scramIterations, storedKey: storedKey[:], serverKey: mac(salted, "Server Key")}, nil
}

// verifierPrefix begins a verifier as pg_authid has it:
// SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY.
const verifierPrefix = "SCRAM-SHA-256$"

var errVerifier = errors.New("not a SCRAM-SHA-256 verifier as pg_authid has it")

func parseVerifier(text string) (verifier, error) {
	head, keys, ok1 := strings.Cut(strings.TrimPrefix(text, verifierPrefix), "$")
	count, salt, ok2 := strings.Cut(head, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	iterations, err := strconv.Atoi(count)
	if !ok1 || !ok2 || !ok3 || err != nil || iterations < 1 {
		return verifier{}, errVerifier
	}
	v := verifier{iterations: iterations}
	for _, part := range []struct {
		to   *[]byte
		text string
	}{{&v.salt, salt}, {&v.storedKey, stored}, {&v.serverKey, server}} {
		if *part.to, err = base64.StdEncoding.DecodeString(part.text); err != nil {
			return verifier{}, errVerifier
		}
	}
	if len(v.salt) == 0 || len(v.storedKey) != sha256.Size || len(v.serverKey) != sha256.Size {
		return verifier{}, errVerifier
	}
	return v, nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// scram is the server's side of one SCRAM-SHA-256 exchange without channel
// binding. It does no I/O.
type scram struct {
	verifier    verifier
	bindHeader  string // how the client's first message began
	clientFirst string // the rest of it
	serverFirst string
	nonce       string
}

var (
	errScramFormat   = errors.New("malformed SCRAM message")
	errScramPassword = errors.New("wrong password")
)

// first answers the client's first message: n,,n=user,r=nonce. The user name
// in it is ignored, as in PostgreSQL.
func (s *scram) first(message []byte) (reply []byte, err error) {
	parts := strings.SplitN(string(message), ",", 3)
	if len(parts) != 3 || parts[0] != "n" && parts[0] != "y" {
		return nil, errScramFormat // p asks for channel binding, which was not offered
	}
	s.bindHeader, s.clientFirst = parts[0]+","+parts[1]+",", parts[2]
	attributes := strings.Split(s.clientFirst, ",")
	if len(attributes) < 2 || !strings.HasPrefix(attributes[0], "n=") || len(attributes[1]) < 10 || !strings.HasPrefix(attributes[1], "r=") {
		return nil, errScramFormat
	}
	s.nonce = attributes[1][len("r="):] + rand.Text()
	s.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce, base64.StdEncoding.EncodeToString(s.verifier.salt), s.verifier.iterations)
	return []byte(s.serverFirst), nil
}

// final checks the client's second message, c=...,r=...,p=proof, and proves
// in turn that the server knows the password.
func (s *scram) final(message []byte) (reply []byte, err error) {
	withoutProof, encoded, ok := bytes.Cut(message, []byte(",p="))
	if !ok || bytes.IndexByte(encoded, ',') >= 0 {
		return nil, errScramFormat
	}
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(s.bindHeader)) + ",r=" + s.nonce
	proof, err := base64.StdEncoding.DecodeString(string(encoded))
	if err != nil || len(proof) != sha256.Size || string(withoutProof) != want {
		return nil, errScramFormat
	}
	authMessage := s.clientFirst + "," + s.serverFirst + "," + string(withoutProof)
	clientKey := make([]byte, sha256.Size)
	subtle.XORBytes(clientKey, proof, mac(s.verifier.storedKey, authMessage))
	if storedKey := sha256.Sum256(clientKey); subtle.ConstantTimeCompare(storedKey[:], s.verifier.storedKey) != 1 {
		return nil, errScramPassword
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(mac(s.verifier.serverKey, authMessage))), nil
}
