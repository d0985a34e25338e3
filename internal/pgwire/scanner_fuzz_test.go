package pgwire_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// parsed is what a stream consists of.
type parsed struct {
	messages []pgwire.Message
	partial  []byte // the beginning of a message whose end is missing
	refused  bool   // what follows is no message
}

// parseWhole is the scanner's specification: it sees the whole stream at once.
func parseWhole(d pgwire.Direction, stream []byte) parsed {
	small, large, maxSmall, maxLarge := "CDEHSXcf", "BFPQd", uint32(10000), uint32(1<<30-2)
	if d == pgwire.FromServer {
		small, large, maxSmall, maxLarge = "123CGHIKWZcns", "ADENSTVdt", 30000, 1<<30
	}
	var p parsed
	for len(stream) > 0 {
		most := maxLarge
		switch typ := stream[0]; {
		case strings.IndexByte(small, typ) >= 0:
			most = maxSmall
		case strings.IndexByte(large, typ) < 0:
			p.refused = true
			return p
		}
		if len(stream) < 5 {
			break
		}
		length := binary.BigEndian.Uint32(stream[1:])
		if length < 4 || length > most {
			p.refused = true
			return p
		}
		if uint64(len(stream)) < uint64(length)+1 {
			break
		}
		p.messages = append(p.messages, pgwire.Message{Type: stream[0], Body: stream[5 : length+1]})
		stream = stream[length+1:]
	}
	p.partial = stream
	return p
}

// FuzzScannerFindsTheSameMessagesInAnyChunks compares the scanner, fed in random
// chunks, with parseWhole.
func FuzzScannerFindsTheSameMessagesInAnyChunks(f *testing.F) {
	client, _ := encoded(f, clientMessages())
	server, _ := encoded(f, serverMessages())
	f.Add(client, false, uint64(1))
	f.Add(server, true, uint64(2))
	f.Add(append(client[:len(client):len(client)], header('B', 1<<30-1)...), false, uint64(4))
	f.Add(append(server[:len(server):len(server)], header('D', 1<<30)...), true, uint64(5))
	f.Add(header('D', 10001), false, uint64(6))
	for _, r := range recordings(f) {
		f.Add(r.client, false, uint64(7))
		f.Add(r.server, true, uint64(8))
	}
	f.Fuzz(func(t *testing.T, stream []byte, fromServer bool, seed uint64) {
		d := pgwire.Direction(fromServer)
		want := parseWhole(d, stream)
		c := collector{scanner: pgwire.Scanner{Direction: d}}
		err := feedRandomly(&c, stream, rand.New(rand.NewPCG(seed, 0)))

		var refusal *pgwire.Error
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if (refusal != nil) != want.refused {
			t.Fatalf("refused: %v, want %v", err, want.refused)
		}
		if !slices.EqualFunc(c.messages, want.messages, equalMessages) {
			t.Fatalf("got %q, want %q", c.messages, want.messages)
		}
		if !want.refused && (string(c.partial) != string(want.partial) || c.taken != len(stream)) {
			t.Fatalf("got %q of an incomplete message, want %q", c.partial, want.partial)
		}
	})
}

func feedRandomly(c *collector, stream []byte, random *rand.Rand) error {
	for len(stream) > 0 {
		most := min(len(stream), 1+random.IntN(64))
		n := random.IntN(most + 1) // empty chunks too
		if err := c.feed(stream[:n]); err != nil {
			return err
		}
		stream = stream[n:]
	}
	return nil
}
