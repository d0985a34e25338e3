package txpool

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// FuzzRelaySendsWholeMessages checks that whatever a client and a server send, each
// gets valid messages, and no statement is left after all have been closed.
func FuzzRelaySendsWholeMessages(f *testing.F) {
	files, err := filepath.Glob("../pgwire/testdata/recorded/*.client")
	if err != nil || len(files) == 0 {
		f.Fatalf("no recordings: %v", err)
	}
	for i, file := range files {
		client, err := os.ReadFile(file)
		server, serverErr := os.ReadFile(strings.TrimSuffix(file, "client") + "server")
		if err = errors.Join(err, serverErr); err != nil {
			f.Fatal(err)
		}
		_, client, _ = bytes.Cut(client, []byte("\x00\x00P")) // the end of the start-up packet, and Parse
		_, server, _ = bytes.Cut(server, []byte("Z\x00\x00\x00\x05I"))
		f.Add(append([]byte("P"), client...), server, uint64(i))
	}
	for name, script := range scripts {
		var client, server []byte
		for line := range strings.Lines(script) {
			switch command, rest, _ := strings.Cut(strings.TrimSpace(line), " "); command {
			case "c":
				client = append(client, fromClient(rest)...)
			case "s":
				server = append(server, fromServer(rest)...)
			}
		}
		f.Add(client, server, uint64(len(name)))
	}
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64) {
		c := dialogue{t: t, random: rand.New(rand.NewPCG(seed, 2))}
		c.run(client, server)
	})
}

// dialogue links two clients and two servers in turn.
type dialogue struct {
	t                    *testing.T
	random               *rand.Rand
	relay                Relay
	statements           Statements
	clients              [2]*Client
	servers              [2]*Server
	rest                 []byte
	toServer, toClient   []byte
	serverGot, clientGot pgwire.Scanner
}

func (c *dialogue) run(client, server []byte) {
	c.statements.Catalog.Scanned(0, "0", defined)
	c.serverGot, c.clientGot = pgwire.Scanner{Direction: pgwire.FromClient}, pgwire.Scanner{Direction: pgwire.FromServer}
	for i := range c.clients {
		c.clients[i], c.servers[i] = NewClient(&c.statements), newServer(&c.statements, 3)
	}
	c.relay.Link(c.clients[0], c.servers[0])
	for c.step(&client, &server) && (len(client) > 0 || len(server) > 0) && !c.relay.Terminated() && !c.relay.Fatal() {
	}
	c.toServer, _ = c.relay.DisconnectClient(c.toServer)
	c.check()
	c.relay.Abandon()
	for i := range c.clients {
		c.clients[i].Close()
		c.servers[i].Close()
	}
	if n := c.statements.Len(); n != 0 {
		c.t.Errorf("%d statements are left", n)
	}
}

// step performs a random step. It returns false if that ends the sessions.
func (c *dialogue) step(client, server *[]byte) bool {
	var err error
	switch what := c.random.IntN(16); {
	case what == 0:
		c.toServer = c.relay.AppendInternalQuery(c.toServer)
	case what == 1 && c.relay.Idle() && len(c.rest) == 0:
		c.relay.Link(c.clients[c.random.IntN(2)], c.servers[c.random.IntN(2)])
	case what < 9 && len(c.rest) < 1<<12:
		sent := c.piece(client)
		var rest []byte
		rest, c.toServer, c.toClient, err = c.relay.FromClient(append(c.rest, sent...), c.toServer, c.toClient)
		c.rest = bytes.Clone(rest)
	default:
		sent := c.piece(server)
		c.toClient, err = c.relay.FromServer(sent, c.toClient)
		for i := range sent {
			sent[i] = 0xff // the relay must not keep it
		}
	}
	var refusal *pgwire.Error
	if err != nil && (!errors.As(err, &refusal) || refusal.Code == "") {
		c.t.Fatalf("%v cannot be sent to the client", err)
	}
	c.check()
	return err == nil
}

// piece removes a part from the beginning of stream, which may be empty, and returns
// a copy.
func (c *dialogue) piece(stream *[]byte) []byte {
	n := c.random.IntN(min(len(*stream), 64) + 1)
	sent := bytes.Clone((*stream)[:n])
	*stream = (*stream)[n:]
	return sent
}

// check scans the bytes that the client and the server got.
func (c *dialogue) check() {
	for _, to := range []struct {
		name    string
		scanner *pgwire.Scanner
		got     *[]byte
	}{{"server", &c.serverGot, &c.toServer}, {"client", &c.clientGot, &c.toClient}} {
		for rest := *to.got; len(rest) > 0; {
			span, err := to.scanner.Next(rest)
			if err != nil {
				c.t.Fatalf("the %s got %q: %v", to.name, rest, err)
			}
			rest = rest[span.Size:]
		}
		*to.got = (*to.got)[:0]
	}
}
