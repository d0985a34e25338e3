package lakebase_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// userServer answers the logins of users, each with its own token of the database, and
// the query of sessionOf. A real server has a process for each connection, which
// takes longer than all that the library does for it.
type userServer struct {
	t        *testing.T
	tls      *tls.Config
	sessions atomic.Uint32
}

// startUserServer returns the port of a server on 127.0.0.1, and the file with its root
// certificate.
func startUserServer(t *testing.T) (port uint16, root string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &userServer{t: t, tls: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
	var serving sync.WaitGroup
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	return uint16(listener.Addr().(*net.TCPAddr).Port), root
}

// serve logs a user in, and answers until the connection ends.
func (s *userServer) serve(conn net.Conn) {
	defer conn.Close()
	if _, err := pgproto3.NewBackend(conn, conn).ReceiveStartupMessage(); err != nil { // the request for TLS
		return
	}
	if _, err := conn.Write([]byte("S")); err != nil {
		return
	}
	conn = tls.Server(conn, s.tls)
	b := pgproto3.NewBackend(conn, conn)
	startup, err := b.ReceiveStartupMessage()
	if err != nil {
		return
	}
	user := startup.(*pgproto3.StartupMessage).Parameters["user"]
	b.Send(&pgproto3.AuthenticationCleartextPassword{})
	if b.Flush() != nil || b.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
		return
	}
	password, err := b.Receive()
	if err != nil {
		return
	}
	if owner := subject(password.(*pgproto3.PasswordMessage).Password); owner != user {
		s.t.Errorf("%q logs in with a token of %q", user, owner)
		return
	}
	pid := s.sessions.Add(1)
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.BackendKeyData{ProcessID: pid, SecretKey: []byte("1234")})
	for err == nil {
		b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if err = b.Flush(); err == nil {
			err = s.answer(b, user, pid)
		}
	}
}

// answer answers all messages up to a Sync.
func (s *userServer) answer(b *pgproto3.Backend, user string, pid uint32) error {
	for {
		message, err := b.Receive()
		if err != nil {
			return err
		}
		switch message.(type) {
		case *pgproto3.Parse:
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Describe:
			b.Send(&pgproto3.ParameterDescription{})
			b.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{
				{Name: []byte("session_user"), DataTypeOID: 19, DataTypeSize: 64, TypeModifier: -1},
				{Name: []byte("pg_backend_pid"), DataTypeOID: 23, DataTypeSize: 4, TypeModifier: -1},
			}})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Execute:
			b.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(user), binary.BigEndian.AppendUint32(nil, pid)}})
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
		case *pgproto3.Sync:
			return nil
		case *pgproto3.Terminate:
			return net.ErrClosed
		default:
			return fmt.Errorf("unexpected %T", message)
		}
	}
}

// subject returns the identity that a token of the database is for.
func subject(token string) string {
	var claims struct{ Sub string }
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if payload, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(payload, &claims)
		}
	}
	return claims.Sub
}
