package proxy_test

import (
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
)

var (
	sequences = flag.Int("sequences", 100, "how many sequences of messages TestAgreesWithServerOnAnything makes up for each mode, each up to a ReadyForQuery")
	seed      = flag.Uint64("seed", 3, "of their randomness")
)

// randomTexts include some that have no answer but an error, and two that end
// a transaction.
var randomTexts = []string{"select 1", "select 'x'::text", "select 1/0", "bad", "rollback", "commit", "", "select generate_series(1,3)"}

// randomConversation is one of a client that knows little of the protocol, or
// much.
func randomConversation(chance *rand.Rand) (turns []turn) {
	for range 1 + chance.IntN(8) {
		turns = append(turns, randomTurn(chance))
		if chance.IntN(4) == 0 {
			turns = append(turns, ask([]string{"begin", "begin", "commit"}[chance.IntN(3)]), randomTurn(chance), ask("rollback"))
		}
	}
	return turns
}

// randomTurn is up to three segments, each of which ends in one ReadyForQuery.
func randomTurn(chance *rand.Rand) (t turn) {
	for range 1 + chance.IntN(3) {
		t.hear += "Z"
		switch chance.IntN(8) {
		case 0:
			t.say = append(t.say, query(pick(chance, randomTexts...)))
		case 1:
			t.say = append(t.say, add(chance.Uint32(), 1))
		default:
			if chance.IntN(3) == 0 { // only here is it never skipped, which servers remember differently
				t.say = append(t.say, prepare("", pick(chance, randomTexts...)))
			}
			for range chance.IntN(6) {
				t.say = append(t.say, randomMessage(chance))
			}
			t.say = append(t.say, syncing)
		}
	}
	return t
}

func randomMessage(chance *rand.Rand) pgproto3.FrontendMessage {
	named, any := pick(chance, "s1", "s1", "s2", "s3"), pick(chance, "s1", "s1", "s2", "s3", "")
	switch chance.IntN(10) {
	case 0, 1:
		return prepare(named, pick(chance, randomTexts...))
	case 2, 3:
		return bind(pick(chance, "", "", "p1"), any)
	case 4:
		return describe('S', any)
	case 5:
		return describe('P', pick(chance, "", "p1"))
	case 6:
		return forget('S', any)
	case 7:
		return forget('P', pick(chance, "", "p1"))
	case 8:
		return flush
	}
	return execute(pick(chance, "", "", "p1"), chance.Uint32N(3))
}

func pick[T any](chance *rand.Rand, of ...T) T { return of[chance.IntN(len(of))] }

// Random sequences of messages get the answers that Postgres gives.
func TestAgreesWithServerOnAnything(t *testing.T) {
	t.Parallel()
	inComparison(t, func(t *testing.T, c comparison) {
		chance := rand.New(rand.NewPCG(*seed, 4))
		for compared := 0; compared < *sequences; {
			conversation := randomConversation(chance)
			c.agree(conversation, chance, 1)
			for _, turn := range conversation {
				compared += len(turn.hear)
			}
		}
	})
}
