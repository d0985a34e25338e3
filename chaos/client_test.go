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

// client runs operations whose results it knows, one after another.
type client struct {
	access
	h     *harness
	route *route
	id    int64
	r     *rand.Rand

	// Its rows in the ledger are numbered up to last. Each row must exist, unless
	// it is in possible, and then may exist, or in never, and then must not.
	last            int64
	possible, never map[int64]bool
	// The balance of its account. After a COMMIT without a reply, doubt has the
	// other possible balance, and the row of the same transaction.
	balance int64
	doubt   *doubt

	mu     sync.Mutex
	doing  string
	began  time.Time
	done   int       // operations that succeeded
	since  time.Time // end of a fault; zero if an operation has succeeded since
	backIn time.Duration
}

type doubt struct {
	balance, row int64
}

func newClient(h *harness, y *route, id int64) *client {
	r := rand.New(rand.NewPCG(h.seed, uint64(id)))
	return &client{access: y.connect(r), h: h, route: y, id: id, r: r, possible: map[int64]bool{}, never: map[int64]bool{}}
}

// run runs operations until ctx ends. It completes the last one.
func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil && !c.h.failed.Load() {
		c.h.gate.RLock()
		c.step()
		c.h.gate.RUnlock()
		select {
		case <-ctx.Done():
		case <-time.After(between(c.r, 2, 60)):
		}
	}
}

// longAnswer is the operation whose reply may be cut in the middle of a message.
const longAnswer = "long answer"

// step runs one operation.
func (c *client) step() {
	type operation struct {
		name string
		do   func(context.Context) error
	}
	it := oneOf(c.r, operation{"echo", c.echo}, operation{longAnswer, c.longAnswer}, operation{"insert", c.insert}, operation{"insert", c.insert},
		operation{"read", c.readRecent}, operation{"pipeline", c.pipelined}, operation{"transfer", c.transfer}, operation{"transfer", c.transfer})
	if c.doubt != nil {
		it = operation{"resolve a COMMIT", c.resolveDoubt}
	}
	began := time.Now()
	c.mu.Lock()
	c.doing, c.began = it.name, began
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), opTimeout)
	err := it.do(ctx)
	cancel()
	if err != nil {
		c.h.noteError(c, it.name, began, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if !c.since.IsZero() && !began.Before(c.since) {
		c.backIn, c.since = time.Since(c.since), time.Time{}
	}
}

// state describes the current operation, for the report of a violation.
func (c *client) state() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("client %d (%s): %s since %s", c.id, c.route.name, c.doing, time.Since(c.began).Round(time.Millisecond))
}

func (c *client) wrong(format string, args ...any) {
	c.h.wrong("client %d (%s): %s", c.id, c.route.name, fmt.Sprintf(format, args...))
}

// tag returns a unique text.
func (c *client) tag() string { return fmt.Sprintf("%d-%x", c.id, c.r.Uint64()) }

func (c *client) next() int64 {
	c.last++
	return c.last
}

// acquired runs do with a connection.
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
			c.wrong("sent %q, got %q", tag, got)
		}
		return err
	})
}

// longAnswer reads a reply of several packets.
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
			c.wrong("%d parts %q were changed: %d bytes, %.60q", n, tag, len(got), got)
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

// pipelined sends several statements at once, one of which inserts a row.
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

// readRecent reads the latest of its own rows.
func (c *client) readRecent(ctx context.Context) error {
	return c.acquired(ctx, func() error {
		from, got := max(c.last-50, 0), ""
		err := c.row(ctx, &got, "SELECT coalesce(string_agg(seq::text, ',' ORDER BY seq), '') FROM ledger WHERE who = $1 AND seq > $2", c.id, from)
		if err == nil {
			c.compare(from, got)
		}
		return err
	})
}

// compare verifies a list of the rows after from.
func (c *client) compare(from int64, list string) {
	for _, text := range c.contradictions(from, list) {
		c.wrong("%s", text)
	}
}

// contradictions describes the errors in a list of the rows after from.
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
			all = append(all, fmt.Sprintf("row %d exists %d times", n, there[n]))
		case there[n] == 1 && c.never[n]:
			all = append(all, fmt.Sprintf("row %d exists, but was never committed", n))
		case there[n] == 0 && !c.never[n] && !uncertain:
			all = append(all, fmt.Sprintf("row %d is missing, but was acknowledged", n))
		}
		delete(there, n)
	}
	for n := range there {
		all = append(all, fmt.Sprintf("row %d exists, but was never inserted", n))
	}
	return all
}

func TestContradictionsOfALedger(t *testing.T) {
	c := &client{last: 6, possible: map[int64]bool{3: true, 4: true}, never: map[int64]bool{5: true}, doubt: &doubt{row: 6}}
	for list, want := range map[string]string{
		"1,2": "", "1,2,3,4": "", "1,2,6": "",
		"1,1,2":   "row 1 exists 2 times",
		"1,2,4,4": "row 4 exists 2 times",
		"2":       "row 1 is missing, but was acknowledged",
		"1,2,5":   "row 5 exists, but was never committed",
		"1,2,7":   "row 7 exists, but was never inserted",
	} {
		if got := strings.Join(c.contradictions(0, list), "; "); got != want {
			t.Errorf("%s: got %q, want %q", list, got, want)
		}
	}
	if got := c.contradictions(1, "2"); len(got) != 0 {
		t.Errorf("from 1 on: %q", got)
	}
}

// transfer changes its account in several steps and inserts a row, in one
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

// undo rolls a transaction back.
func (c *client) undo(tx transaction) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = tx.rollback(ctx) // the connection may be lost, and with it the transaction
}

// resolveDoubt finds out whether a COMMIT succeeded. FOR UPDATE waits for the end
// of its transaction.
func (c *client) resolveDoubt(ctx context.Context) error {
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
