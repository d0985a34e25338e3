package proxy

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"golang.org/x/text/unicode/norm"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/secretfile"
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

// Users are the user names that clients can log in with, and the verifiers of
// their passwords. It is not modified after it is made.
type Users struct {
	verifiers map[string]verifier
	factors   []scram.KeyFactors // of all verifiers
}

// NewUsers returns Users from passwords by name. A password may also be a
// SCRAM-SHA-256 verifier as PostgreSQL's pg_authid stores it. Passwords are
// normalized by SASLprep, as PostgreSQL does.
func NewUsers(passwords map[string]string) (*Users, error) {
	if len(passwords) == 0 {
		return nil, errors.New("proxy: no users: no client could log in")
	}
	u := &Users{verifiers: make(map[string]verifier, len(passwords))}
	for name, password := range passwords {
		if name == "" || password == "" {
			return nil, fmt.Errorf("proxy: user %q needs a name and a password", name)
		}
		var v verifier
		var err error
		switch {
		case md5Hash.MatchString(password):
			err = errMD5
		case strings.HasPrefix(password, verifierPrefix):
			v, err = parseVerifier(password)
		default:
			v, err = newVerifier(name, password)
		}
		if err != nil {
			return nil, fmt.Errorf("proxy: password of user %q: %w", name, err)
		}
		u.verifiers[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(u.verifiers)) {
		u.factors = append(u.factors, u.verifiers[name].KeyFactors)
	}
	return u, nil
}

// ReadPasswords reads passwords, or their verifiers, by user name from a file of
// lines USER:PASSWORD, or "USER" "PASSWORD" as in PgBouncer's userlist.txt: there
// a quote is written twice, and what follows the password is ignored. Empty lines
// and those that begin with # or ; are ignored. The file must not be accessible to
// other users of the machine; one of root may be readable by its group.
func ReadPasswords(file string) (map[string]string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if secretfile.IsOpen(info) {
		return nil, fmt.Errorf("proxy: %s can be read by other users (mode %#o): chmod 600 it", file, info.Mode().Perm())
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	passwords := map[string]string{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, password, ok := strings.Cut(line, ":")
		if strings.HasPrefix(strings.TrimSpace(line), `"`) {
			name, password, ok = parseUserlist(line)
		}
		if _, twice := passwords[name]; !ok || twice {
			return nil, fmt.Errorf(`proxy: %s line %d: want one line USER:PASSWORD or "USER" "PASSWORD" for each user`, file, number)
		}
		passwords[name] = password
	}
	return passwords, nil
}

// userlistLine is a line of PgBouncer's userlist.txt.
var userlistLine = regexp.MustCompile(`^[ \t]*"((?:[^"]|"")*)"[ \t]+"((?:[^"]|"")*)"(?:[^"]|$)`)

func parseUserlist(line string) (name, password string, ok bool) {
	m := userlistLine.FindStringSubmatch(line)
	if m == nil {
		return "", "", false
	}
	return strings.ReplaceAll(m[1], `""`, `"`), strings.ReplaceAll(m[2], `""`, `"`), true
}

// has reports whether there is such a user.
func (u *Users) has(name string) bool {
	_, ok := u.verifiers[name]
	return ok
}

// conversation begins the server's side of a SCRAM exchange. As in PostgreSQL,
// the user is that of the startup packet, whatever the exchange names.
func (u *Users) conversation(user string) (*scram.ServerConversation, error) {
	mock := mockVerifier(user, u.factors[int(newSalt("factors of "+user, 1)[0])%len(u.factors)])
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		if v, ok := u.verifiers[user]; ok {
			return v, nil
		}
		return mock, nil
	})
	if err != nil {
		return nil, err
	}
	return server.NewConversation(), nil
}

// verifier is what a server stores of a password (RFC 5802): enough to check
// it, not enough to log in with it.
type verifier = scram.StoredCredentials

// defaultFactors are Postgres's defaults, for the salt its length.
var defaultFactors = scram.KeyFactors{Salt: strings.Repeat("0", 16), Iters: 4096}

func newVerifier(user, password string) (verifier, error) {
	client, err := scram.SHA256.NewClientUnprepped("", saslPrep(password), "")
	if err != nil {
		return verifier{}, err
	}
	return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: newSalt(user, len(defaultFactors.Salt)), Iters: defaultFactors.Iters})
}

// mockVerifier returns a verifier that no password matches, for a user that
// does not exist. Its salt and its iterations resemble those of a user that
// does.
func mockVerifier(user string, like scram.KeyFactors) verifier {
	keys := make([]byte, sha256.Size)
	rand.Read(keys)
	return verifier{KeyFactors: scram.KeyFactors{Salt: newSalt(user, len(like.Salt)), Iters: like.Iters}, StoredKey: keys, ServerKey: keys}
}

// saltKey is secret to this process.
var saltKey = sync.OnceValue(func() []byte {
	key := make([]byte, sha256.Size)
	rand.Read(key)
	return key
})

// newSalt returns the salt of a user, which stays the same for the life of the
// process. An attacker who asks for it again, even after a reload, does not
// learn from it whether the user exists.
func newSalt(user string, length int) string {
	key, err := hkdf.Key(sha256.New, saltKey(), nil, user, length)
	if err != nil {
		panic(err) // longer than 255 hashes
	}
	return string(key)
}

// passwordProfile is Postgres's reading of SASLprep, as far as it precedes the
// normalization: U+200B becomes a space although RFC 3454 also maps it to
// nothing, and prohibited characters are those of the password itself, not of
// its normalized form.
var passwordProfile = stringprep.Profile{
	Mappings:  []stringprep.Mapping{spaces(stringprep.TableC1_2), stringprep.TableB1},
	Prohibits: stringprep.SASLprep.Prohibits,
	CheckBiDi: true,
}

// spaces maps each character of the set to a space.
func spaces(set stringprep.Set) stringprep.Mapping {
	m := stringprep.Mapping{}
	for _, ends := range set {
		for r := ends[0]; r <= ends[1]; r++ {
			m[r] = []rune{' '}
		}
	}
	return m
}

// saslPrep normalizes a password as libpq and Postgres do: one that SASLprep
// does not allow stays as it is.
func saslPrep(password string) string {
	mapped, err := passwordProfile.Prepare(password)
	if err != nil || mapped == "" || !utf8.ValidString(password) {
		return password
	}
	return norm.NFKC.String(mapped)
}

// verifierPrefix begins a verifier as pg_authid stores it:
// SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY.
const verifierPrefix = "SCRAM-SHA-256$"

// md5Hash is what Postgres and PgBouncer take for the MD5 hash of a password.
var md5Hash = regexp.MustCompile(`^md5[0-9a-f]{32}$`)

var errMD5 = errors.New("an MD5 hash does not verify a SCRAM login, and would itself be the password: want the password or its SCRAM-SHA-256 verifier")

var errVerifier = errors.New("not a SCRAM-SHA-256 verifier as pg_authid stores it")

func parseVerifier(text string) (verifier, error) {
	head, keys, ok1 := strings.Cut(strings.TrimPrefix(text, verifierPrefix), "$")
	count, salt, ok2 := strings.Cut(head, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	iterations, err := strconv.Atoi(count)
	if !ok1 || !ok2 || !ok3 || err != nil || iterations < 1 {
		return verifier{}, errVerifier
	}
	var decoded [3][]byte
	for i, part := range []string{salt, stored, server} {
		if decoded[i], err = base64.StdEncoding.DecodeString(part); err != nil {
			return verifier{}, errVerifier
		}
	}
	if len(decoded[0]) == 0 || len(decoded[1]) != sha256.Size || len(decoded[2]) != sha256.Size {
		return verifier{}, errVerifier
	}
	return verifier{KeyFactors: scram.KeyFactors{Salt: string(decoded[0]), Iters: iterations}, StoredKey: decoded[1], ServerKey: decoded[2]}, nil
}
