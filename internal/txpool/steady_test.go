package txpool

import "testing"

// steady has the usual transactions of a client with a prepared statement.
var steady = map[string]struct{ client, server string }{
	"simple":   {"Q(select 1)", "T D C(SELECT 1) Z(I)"},
	"prepared": {"B(s1) E S", "2 D C(SELECT 1) Z(I)"},
	"describe": {"D(s1) B(s1) DP E S", "t T 2 T D C(SELECT 1) Z(I)"},
	"unnamed":  {"P(,select 1) B() DP E S", "1 2 T D C(SELECT 1) Z(I)"},
}

// turn returns a function that runs one transaction.
func turn(tb testing.TB, client, server string) func() {
	var table Statements
	table.Catalog.Scanned(0, "", defined)
	c, s := NewClient(&table), newServer(&table, 0)
	x := new(Relay)
	x.Link(c, s)
	var toServer, toClient []byte
	step := func(request, answer []byte) {
		var err error
		if _, toServer, toClient, err = x.FromClient(request, toServer[:0], toClient[:0]); err != nil {
			tb.Fatal(err)
		}
		if toClient, err = x.FromServer(answer, toClient); err != nil {
			tb.Fatal(err)
		}
		if !x.Idle() || len(toClient) != len(answer) {
			tb.Fatalf("idle %v, %d bytes of %d", x.Idle(), len(toClient), len(answer))
		}
		x.Link(c, s)
	}
	step(fromClient("P(s1,select 1) S"), fromServer("1 Z(I)"))
	request, answer := fromClient(client), fromServer(server)
	return func() { step(request, answer) }
}

func TestNothingIsAllocatedOnTheSteadyPath(t *testing.T) {
	for name, messages := range steady {
		once := turn(t, messages.client, messages.server)
		once()
		if n := testing.AllocsPerRun(100, once); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkTurn(b *testing.B) {
	for name, messages := range steady {
		b.Run(name, func(b *testing.B) {
			once := turn(b, messages.client, messages.server)
			b.ReportAllocs()
			for b.Loop() {
				once()
			}
		})
	}
}
