package proxy

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

const (
	clientNonce = "fyko+d2lbbFgONRv9qkxdawL"

	// rfcKeys ends a verifier: the keys of RFC 7677's example.
	rfcKeys = "$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// prove returns the client's second message for a password (RFC 5802).
func prove(t testing.TB, password, clientFirst, serverFirst string) string {
	t.Helper()
	nonce, rest, _ := strings.Cut(strings.TrimPrefix(serverFirst, "r="), ",s=")
	salt, count, _ := strings.Cut(rest, ",i=")
	iterations, err := strconv.Atoi(count)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		t.Fatal(err)
	}
	salted, err := pbkdf2.Key(sha256.New, password, raw, iterations, sha256.Size)
	if err != nil {
		t.Fatal(err)
	}
	withoutProof := "c=biws,r=" + nonce
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	proof := make([]byte, sha256.Size)
	subtle.XORBytes(proof, clientKey, mac(storedKey[:], clientFirst+","+serverFirst+","+withoutProof))
	return withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)
}

func challenge(t testing.TB, u *Users, user string) (*scram.ServerConversation, string) {
	t.Helper()
	conversation, err := u.conversation(user)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := conversation.Step("n,,n=,r=" + clientNonce)
	if err != nil {
		t.Fatal(err)
	}
	return conversation, reply
}

// A client that asks for a challenge does not learn which users exist, and a
// proof of a password is valid only once.
func TestChallengeHidesWhichUsersExist(t *testing.T) {
	t.Parallel()
	u, err := NewUsers(map[string]string{"ann": "pencil"})
	if err != nil {
		t.Fatal(err)
	}
	salts, nonces := map[string]string{}, map[string]bool{}
	for _, user := range []string{"ann", "nobody", "no one"} {
		for range 3 {
			_, said := challenge(t, u, user)
			nonce, rest, _ := strings.Cut(said, ",")
			if fresh, ok := strings.CutPrefix(nonce, "r="+clientNonce); !ok || len(fresh) < 24 || nonces[fresh] {
				t.Errorf("%s: nonce %q", user, nonce)
			} else {
				nonces[fresh] = true
			}
			if first, again := salts[user]; again && first != rest {
				t.Errorf("%s: challenged with %q, and then with %q", user, first, rest)
			}
			salts[user] = rest
		}
	}
	if salts["nobody"] == salts["no one"] {
		t.Error("two users that do not exist have the same salt")
	}
	if a, b := salts["ann"], salts["nobody"]; len(a) != len(b) || a[strings.Index(a, ",i="):] != b[strings.Index(b, ",i="):] {
		t.Errorf("a user that exists is challenged with %q, others with %q", a, b)
	}

	first, said := challenge(t, u, "ann")
	proof := prove(t, "pencil", "n=,r="+clientNonce, said)
	if _, err := first.Step(proof); err != nil {
		t.Errorf("the right password: %v", err)
	}
	for _, withNewNonce := range []bool{false, true} {
		second, said := challenge(t, u, "ann")
		message := proof
		if withNewNonce {
			message = "c=biws," + said[:strings.Index(said, ",s=")] + proof[strings.Index(proof, ",p="):]
		}
		if _, err := second.Step(message); err == nil || second.Valid() {
			t.Errorf("a proof was accepted twice; with the new nonce: %v", withNewNonce)
		}
	}
	for _, password := range []string{"pencil", "", "nobody"} {
		stranger, said := challenge(t, u, "nobody")
		if reply, err := stranger.Step(prove(t, password, "n=,r="+clientNonce, said)); err == nil || stranger.Valid() || reply != scram.ErrInvalidProof {
			t.Errorf("a user that does not exist logs in with %q: %q, %v", password, reply, err)
		}
	}
}

// Challenges for users that do not exist stay the same over a reload, as those
// for users that do, and look like them.
func TestChallengeStaysTheSameOverAReload(t *testing.T) {
	t.Parallel()
	passwords := map[string]string{"ann": "pencil", "pg": "SCRAM-SHA-256$9999:" + base64.StdEncoding.EncodeToString([]byte("a salt that is longer")) + rfcKeys}
	factors := func(u *Users, user string) string {
		_, reply := challenge(t, u, user)
		return reply[strings.Index(reply, ",s="):]
	}
	before, err := NewUsers(passwords)
	if err != nil {
		t.Fatal(err)
	}
	after, err := NewUsers(passwords)
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[string]int{}
	for i := range 100 {
		user := fmt.Sprint("nobody", i)
		was := factors(before, user)
		if now := factors(after, user); now != was {
			t.Errorf("%s: %s after the reload, %s before", user, now, was)
		}
		shapes[fmt.Sprint(len(was), was[strings.Index(was, ",i="):])]++
	}
	for _, user := range []string{"ann", "pg"} {
		is := factors(before, user)
		if now := factors(after, user); now != is {
			t.Errorf("%s: %s after the reload, %s before", user, now, is)
		}
		if shapes[fmt.Sprint(len(is), is[strings.Index(is, ",i="):])] == 0 {
			t.Errorf("no user that does not exist is challenged like %s: %s", user, is)
		}
	}
}

// FuzzScram proves that only the right messages log a client in.
func FuzzScram(f *testing.F) {
	u, err := NewUsers(map[string]string{"ann": "pencil"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("n,,n=,r="+clientNonce, "c=biws,r=%s,p=", make([]byte, sha256.Size))  // as libpq and pgx begin
	f.Add("y,,n=*,r="+clientNonce, "c=eSws,r=%s,p=", make([]byte, sha256.Size)) // as the JDBC driver does over TLS
	f.Add("p=tls-server-end-point,,n=,r="+clientNonce, "c=biws,r=%s,p=", []byte{})
	f.Add("n,a=other,n=,r="+clientNonce+",m=x", "c=biws,r=%s,x=y,p=", []byte("p"))
	f.Fuzz(func(t *testing.T, first, final string, proof []byte) {
		for _, user := range []string{"ann", "nobody"} {
			for _, raw := range []bool{true, false} {
				s, err := u.conversation(user)
				if err != nil {
					t.Fatal(err)
				}
				reply, err := s.Step(first)
				if err != nil {
					continue
				}
				nonce, rest, _ := strings.Cut(strings.TrimPrefix(reply, "r="), ",s=")
				if !strings.HasPrefix(reply, "r=") || strings.Count(rest, ",") != 1 {
					t.Errorf("%q was answered %q", first, reply)
				}
				last := final
				if !raw {
					last = strings.ReplaceAll(final, "%s", nonce) + base64.StdEncoding.EncodeToString(proof)
				}
				if _, err := s.Step(last); err == nil || s.Valid() {
					t.Errorf("%s logs in with %q and %q", user, first, last)
				}
			}
		}
	})
}
