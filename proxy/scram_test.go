package proxy

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
)

const clientNonce = "fyko+d2lbbFgONRv9qkxdawL"

// prove is the client's second message for a password (RFC 5802).
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

func challenge(t testing.TB, u *Users, user string) (*scram, string) {
	t.Helper()
	s := &scram{verifier: u.find(user)}
	reply, err := s.first([]byte("n,,n=,r=" + clientNonce))
	if err != nil {
		t.Fatal(err)
	}
	return s, string(reply)
}

// Who asks for a challenge learns nothing about who exists, and what proves a
// password once proves nothing another time.
func TestScramTellsNothing(t *testing.T) {
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
		t.Error("two users who do not exist have the same salt")
	}
	if a, b := salts["ann"], salts["nobody"]; len(a) != len(b) || a[strings.Index(a, ",i="):] != b[strings.Index(b, ",i="):] {
		t.Errorf("one who exists is challenged with %q, others with %q", a, b)
	}

	first, said := challenge(t, u, "ann")
	proof := prove(t, "pencil", "n=,r="+clientNonce, said)
	if _, err := first.final([]byte(proof)); err != nil {
		t.Errorf("the right password: %v", err)
	}
	second, said := challenge(t, u, "ann")
	replayed := "c=biws," + said[:strings.Index(said, ",s=")] + proof[strings.Index(proof, ",p="):]
	for name, message := range map[string]string{"as it was": proof, "with the new nonce": replayed} {
		if _, err := second.final([]byte(message)); err == nil {
			t.Errorf("a proof was taken twice, %s", name)
		}
	}
	stranger, said := challenge(t, u, "nobody")
	for _, password := range []string{"pencil", "", "nobody"} {
		if _, err := stranger.final([]byte(prove(t, password, "n=,r="+clientNonce, said))); err != errScramPassword {
			t.Errorf("nobody logs in with %q: %v", password, err)
		}
	}
}

// FuzzScram holds that no two messages but the right ones log anybody in.
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
			s := &scram{verifier: u.find(user)}
			if said, err := s.first([]byte(first)); err != nil {
				continue
			} else if !strings.HasPrefix(string(said), "r="+s.nonce+",s=") || strings.Count(string(said), ",") != 2 {
				t.Errorf("%q was answered %q", first, said)
			}
			for _, last := range []string{final, strings.ReplaceAll(final, "%s", s.nonce) + base64.StdEncoding.EncodeToString(proof)} {
				if _, err := s.final([]byte(last)); err == nil {
					t.Errorf("%s logs in with %q and %q", user, first, last)
				}
			}
		}
	})
}
