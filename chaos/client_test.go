package chaos_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// client asks things whose answers it knows, one after the other.
type client struct {
	link
	w   *world
	way *way
	id  int64
	r   *rand.Rand

	// Its rows in the ledger are numbered. A row is there unless it is among
	// the never ones, and may be there if it is among the possible ones.
	last            int64
	possible, never map[int64]bool
	// What its account holds, or may hold as well since a COMMIT whose answer
	// it has not seen, which row goes with.
	balance int64
	doubt   *doubt

	mu     sync.Mutex
	doing  string
	began  time.Time
	done   int       // things that went well
	since  time.Time // of the end of a fault, zero if it has succeeded since
	backIn time.Duration
}

type doubt struct {
	balance, row int64
}

func newClient(w *world, y *way, id int64) *client {
	r := rand.New(rand.NewPCG(w.seed, uint64(id)))
	return &client{link: y.link(r), w: w, way: y, id: id, r: r, possible: map[int64]bool{}, never: map[int64]bool{}}
}

// run does one thing after the other until ctx ends. It finishes what it does.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil && !c.w.failed.Load() {
		c.w.gate.RLock()
		c.turn()
		c.w.gate.RUnlock()
		select {
		case <-ctx.Done():
		case <-time.After(between(c.r, 2, 60)):
		}
	}
}

// longAnswer is the name of what may be cut off in the middle of a message.
const longAnswer = "long answer"

// turn does one thing.
func (c *client) turn() {
	type thing struct {
		name string
		do   func(context.Context) error
	}
	it := oneOf(c.r, thing{"echo", c.echo}, thing{longAnswer, c.longAnswer}, thing{"insert", c.insert}, thing{"insert", c.insert},
		thing{"look", c.look}, thing{"pipeline", c.pipelined}, thing{"transfer", c.transfer}, thing{"transfer", c.transfer})
	if c.doubt != nil {
		it = thing{"settle", c.settle}
	}
	began := time.Now()
	c.mu.Lock()
	c.doing, c.began = it.name, began
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	err := it.do(ctx)
	cancel()
	if err != nil {
		c.w.felt(c, it.name, began, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if !c.since.IsZero() && !began.Before(c.since) {
		c.backIn, c.since = time.Since(c.since), time.Time{}
	}
}

// state is what the client is at, for the report of a violation.
func (c *client) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("client %d (%s): %s since %s", c.id, c.way.name, c.doing, time.Since(c.began).Round(time.Millisecond))
}

func (c *client) wrong(format string, args ...any) {
	c.w.wrong("client %d (%s): %s", c.id, c.way.name, fmt.Sprintf(format, args...))
}

// tag is a text that nobody else has.
func (c *client) tag() string { return fmt.Sprintf("%d-%x", c.id, c.r.Uint64()) }

func (c *client) next() int64 {
	c.last++
	return c.last
}

// acquired does something with a connection.
func (c *client) acquired(ctx context.Context, do func() error) error {
	if err := c.acquire(ctx); err != nil {
		return err
	}
	defer c.release()
	return do()
}

func (c *client) echo(ctx context.Context) error {
	return c.acquired(ctx, func() error {
		tag, got := c.tag(), ""
		err := c.row(ctx, &got, "SELECT $1::text", tag)
		if err == nil && got != tag {
			c.wrong("asked for %q, got %q", tag, got)
		}
		return err
	})
}

// longAnswer asks for more than fits into one packet.
func (c *client) longAnswer(ctx context.Context) error {
	return c.acquired(ctx, func() error {
		tag, got, n := c.tag(), "", 1+c.r.IntN(800)
		err := c.row(ctx, &got, "SELECT string_agg($1::text || i, ',' ORDER BY i) FROM generate_series(1, $2::int) i", tag, n)
		if err != nil {
			return err
		}
		parts := make([]string, n)
		for i := range parts {
			parts[i] = tag + strconv.Itoa(i+1)
		}
		if got != strings.Join(parts, ",") {
			c.wrong("%d parts %q came back otherwise: %d bytes, %.60q", n, tag, len(got), got)
		}
		return nil
	})
}

func (c *client) insert(ctx context.Context) error {
	row := c.next()
	if err := c.acquire(ctx); err != nil {
		c.never[row] = true
		return err
	}
	defer c.release()
	err := c.exec(ctx, "INSERT INTO ledger VALUES ($1, $2)", c.id, row)
	if err != nil {
		c.possible[row] = true
	}
	return err
}

// pipelined sends several statements at once, one of which leaves a row.
func (c *client) pipelined(ctx context.Context) error {
	row := c.next()
	if err := c.acquire(ctx); err != nil {
		c.never[row] = true
		return err
	}
	defer c.release()
	a, b := c.tag(), c.tag()
	answers, err := c.pipeline(ctx, []statement{
		{"SELECT $1::text", []any{a}},
		{"INSERT INTO ledger VALUES ($1, $2) RETURNING seq::text", []any{c.id, row}},
		{"SELECT $1::text || 'x'", []any{b}},
	})
	if err != nil {
		c.possible[row] = true
	} else if want := []string{a, fmt.Sprint(row), b + "x"}; !slices.Equal(answers, want) {
		c.wrong("pipeline: got %q, want %q", answers, want)
	}
	return err
}

// look reads the latest of its own rows.
func (c *client) look(ctx context.Context) error {
	return c.acquired(ctx, func() error {
		from, got := max(c.last-50, 0), ""
		err := c.row(ctx, &got, "SELECT coalesce(string_agg(seq::text, ',' ORDER BY seq), '') FROM ledger WHERE who = $1 AND seq > $2", c.id, from)
		if err == nil {
			c.compare(from, got)
		}
		return err
	})
}

// compare judges the rows after from, as look gets them.
func (c *client) compare(from int64, list string) {
	for _, text := range c.contradictions(from, list) {
		c.wrong("%s", text)
	}
}

// contradictions are what rows after from are not as they should be.
func (c *client) contradictions(from int64, list string) (all []string) {
	there := map[int64]int{}
	for text := range strings.SplitSeq(list, ",") {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			there[n]++
		}
	}
	for n := from + 1; n <= c.last; n++ {
		uncertain := c.possible[n] || c.doubt != nil && c.doubt.row == n
		switch {
		case there[n] > 1:
			all = append(all, fmt.Sprintf("row %d is there %d times", n, there[n]))
		case there[n] == 1 && c.never[n]:
			all = append(all, fmt.Sprintf("row %d is there, though it was never committed", n))
		case there[n] == 0 && !c.never[n] && !uncertain:
			all = append(all, fmt.Sprintf("row %d is not there, though it was acknowledged", n))
		}
		delete(there, n)
	}
	for n := range there {
		all = append(all, fmt.Sprintf("row %d is there, which nobody has inserted", n))
	}
	return all
}

func TestContradictions(t *testing.T) {
	c := &client{last: 6, possible: map[int64]bool{3: true, 4: true}, never: map[int64]bool{5: true}, doubt: &doubt{row: 6}}
	for list, want := range map[string]string{
		"1,2": "", "1,2,3,4": "", "1,2,6": "",
		"1,1,2":   "row 1 is there 2 times",
		"1,2,4,4": "row 4 is there 2 times",
		"2":       "row 1 is not there, though it was acknowledged",
		"1,2,5":   "row 5 is there, though it was never committed",
		"1,2,7":   "row 7 is there, which nobody has inserted",
	} {
		if got := strings.Join(c.contradictions(0, list), "; "); got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
	if got := c.contradictions(1, "2"); len(got) != 0 {
		t.Errorf("from 1 on: %q", got)
	}
}

// transfer changes its account step by step, and leaves a row, in one
// transaction.
func (c *client) transfer(ctx context.Context) error {
	row := c.next()
	c.never[row] = true // until COMMIT is sent
	return c.acquired(ctx, func() error {
		tx, err := c.begin(ctx)
		if err != nil {
			return err
		}
		ended := false
		defer func() {
			if !ended {
				c.undo(tx)
			}
		}()
		balance := c.balance
		for range 1 + c.r.IntN(4) {
			amount, got := 1+c.r.Int64N(100), int64(0)
			if err := tx.row(ctx, &got, "UPDATE accounts SET balance = balance + $2 WHERE who = $1 RETURNING balance", c.id, amount); err != nil {
				return err
			}
			if balance += amount; got != balance {
				c.wrong("the account holds %d, want %d", got, balance)
			}
		}
		if err := tx.exec(ctx, "INSERT INTO ledger VALUES ($1, $2)", c.id, row); err != nil {
			return err
		}
		if c.r.IntN(4) == 0 {
			return nil
		}
		ended = true
		delete(c.never, row)
		if err := tx.commit(ctx); err != nil {
			c.doubt = &doubt{balance, row}
			return err
		}
		c.balance = balance
		return nil
	})
}

// undo ends a transaction that nobody wants any more.
func (c *client) undo(tx transaction) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = tx.rollback(ctx) // the connection may be lost, and with it the transaction
}

// settle finds out what has become of a COMMIT. The lock waits for its end.
func (c *client) settle(ctx context.Context) error {
	return c.acquired(ctx, func() error {
		tx, err := c.begin(ctx)
		if err != nil {
			return err
		}
		defer c.undo(tx)
		var got int64
		if err := tx.row(ctx, &got, "SELECT balance FROM accounts WHERE who = $1 FOR UPDATE", c.id); err != nil {
			return err
		}
		switch got {
		case c.balance:
			c.never[c.doubt.row] = true
		case c.doubt.balance:
			c.balance = got
		default:
			c.wrong("the account holds %d, want %d or %d", got, c.balance, c.doubt.balance)
		}
		c.doubt = nil
		return nil
	})
}
