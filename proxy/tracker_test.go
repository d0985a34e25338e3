package proxy

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

func message(kind byte, body string) string {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(4+len(body)))
	return string(append(b, body...))
}

const (
	readyIdle = "Z\x00\x00\x00\x05I"
	readyOpen = "Z\x00\x00\x00\x05T"
	copyIn    = "G\x00\x00\x00\x07\x00\x00\x00"
	terminate = "X\x00\x00\x00\x04"
	syncAll   = "S\x00\x00\x00\x04"
	copyDone  = "c\x00\x00\x00\x04"
)

// Each step is what the client asks, or what the server answers.
func TestTrackerKnowsWhenASessionIsIdle(t *testing.T) {
	t.Parallel()
	query, parse := message('Q', "SELECT 1\x00"), message('P', "\x00x\x00\x00\x00")
	row, done := message('D', "xyz"), message('C', "SELECT 1\x00")
	type step struct {
		ask, answer string
		idle        bool
	}
	for name, steps := range map[string][]step{
		"query":               {{ask: query}, {answer: row + done}, {answer: readyIdle, idle: true}},
		"transaction":         {{ask: query}, {answer: done + readyOpen}, {ask: query}, {answer: done + readyIdle, idle: true}},
		"two at once":         {{ask: query + query}, {answer: done + readyIdle}, {answer: done + readyIdle, idle: true}},
		"half a request":      {{ask: query[:3]}, {ask: query[3:]}, {answer: done + readyIdle, idle: true}},
		"half an answer":      {{ask: query}, {answer: done + readyIdle + row[:6]}, {answer: row[6:] + readyIdle, idle: true}},
		"parse without sync":  {{ask: parse}, {ask: syncAll}, {answer: "1\x00\x00\x00\x04" + readyIdle, idle: true}},
		"simple copy":         {{ask: query}, {answer: copyIn}, {ask: message('d', "x") + copyDone}, {answer: done + readyIdle, idle: true}},
		"extended copy":       {{ask: parse + syncAll}, {answer: copyIn}, {ask: copyDone + syncAll}, {answer: done + readyIdle, idle: true}},
		"notification":        {{answer: message('A', "\x00\x00\x00\x01a\x00b\x00"), idle: true}},
		"late copy data":      {{ask: message('d', "x"), idle: true}},
		"nonsense":            {{ask: "Q\x00\x00\x00\x00"}, {answer: readyIdle}},
		"nonsense in answers": {{ask: query}, {answer: "D\x00\x00\x00\x01" + readyIdle}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, split := range []bool{false, true} {
				tr := newTracker('I')
				for i, s := range steps {
					feed(split, s.ask, func(p []byte) { tr.request(p) })
					feed(split, s.answer, func(p []byte) { tr.answer(p) })
					if tr.idle() != s.idle {
						t.Errorf("split %v, step %d: idle %v", split, i, tr.idle())
					}
				}
			}
		})
	}
}

func feed(split bool, text string, take func([]byte)) {
	for split && len(text) > 0 {
		n := 1 + rand.N(len(text))
		take([]byte(text[:n]))
		text = text[n:]
	}
	if text != "" {
		take([]byte(text))
	}
}

func TestTrackerForwardsNothingAfterTheEnd(t *testing.T) {
	t.Parallel()
	tr := newTracker('I')
	tr.request([]byte(message('Q', "BEGIN\x00")))
	if tr.close() {
		t.Fatal("closed while busy")
	}
	tr.answer([]byte(message('C', "BEGIN\x00") + readyIdle))
	if !tr.close() || tr.request([]byte(message('Q', "SELECT 1\x00"))) {
		t.Error("a request was let through after the end")
	}
}

func TestTrackerNoticesTerminate(t *testing.T) {
	t.Parallel()
	tr := newTracker('I')
	tr.request([]byte(terminate))
	if !tr.clientTerminated() {
		t.Error("the tracker has not noticed Terminate")
	}
}

func BenchmarkTrackerAnswer(b *testing.B) {
	tr := newTracker('I')
	chunk := []byte{}
	for len(chunk) < 16<<10 {
		chunk = append(chunk, message('D', "0123456789012345678901234567890123456789")...)
	}
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		tr.answer(chunk)
	}
}

// FuzzTracker checks that a tracker comes to the same state however both
// streams are cut into chunks.
func FuzzTracker(f *testing.F) {
	f.Add([]byte(message('Q', "SELECT 1\x00")), []byte(readyIdle+readyOpen), 3)
	f.Add([]byte(syncAll+terminate), []byte("D\x00\x00\x00\x00"), 1)
	f.Fuzz(func(t *testing.T, requests, answers []byte, cut int) {
		whole, parts := newTracker('I'), newTracker('I')
		whole.request(requests)
		whole.answer(answers)
		cut = min(max(cut, 0), len(requests), len(answers))
		parts.request(requests[:cut])
		parts.request(requests[cut:])
		parts.answer(answers[:cut])
		parts.answer(answers[cut:])
		if w, p := whole.state(), parts.state(); w != p {
			t.Fatalf("%+v as a whole, %+v in parts", w, p)
		}
	})
}

type trackerState struct {
	pending                                        int
	status                                         pgwire.TxStatus
	last                                           byte
	terminated, unsettled, idle, canInsert, canEnd bool
}

func (t *tracker) state() trackerState {
	return trackerState{t.pending, t.status, t.last, t.terminated, t.unsettled, t.idle(), t.canInsert(), t.canTerminate()}
}
