package proxy

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"
	"golang.org/x/text/unicode/norm"
)

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
