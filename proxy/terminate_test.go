package proxy_test

import (
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// A client can send Terminate before its request is complete: it is not waited
// for, and the server connection keeps nothing of it.
func TestTerminateWithinARequestLeavesNothing(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		exec(t, direct, "CREATE TABLE wishes (n int)")
		insert := say(prepare("", "INSERT INTO wishes VALUES (1)"), bind("", ""), execute("", 0))
		for name, c := range map[string]struct {
			turns []turn
			heard []string // in the end, at least
		}{
			"a pipeline":                {turns: []turn{{say: insert}}},
			"a pipeline, after a Flush": {turns: []turn{{append(slices.Clip(insert), flush), "C"}}},
			"a pipeline, after a Query": {[]turn{{say: append(say(query("SELECT 'first'")), insert...)}}, []string{"first"}},
			"what fails":                {turns: []turn{{say: say(prepare("", "selec"))}}},
			"what fails, after a Flush": {turns: []turn{{say(prepare("", "selec"), flush), "E"}}},
			"a copy":                    {turns: []turn{{say(query("COPY wishes FROM STDIN")), "G"}, {say: say(data("1\n"))}}},
			"a copy not yet begun":      {turns: []turn{{say: say(query("COPY wishes FROM STDIN"), data("1\n"))}}},
			"a copy of a pipeline":      {turns: []turn{{say(prepare("", "COPY wishes FROM STDIN"), bind("", ""), execute("", 0), flush), "G"}, {say: say(data("1\n"))}}},
		} {
			t.Run(name, func(t *testing.T) {
				s := takeOver(t, r.connect())
				s.t = t
				for _, turn := range c.turns[:len(c.turns)-1] {
					s.take(turn, nil)
				}
				last := c.turns[len(c.turns)-1]
				if last.hear != "" {
					s.take(last, nil)
					last = turn{}
				}
				s.take(turn{say: append(last.say, &pgproto3.Terminate{})}, nil)
				if err := s.conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				s.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				rest, err := io.ReadAll(s.in)
				if err != nil {
					t.Fatalf("after %q: %v", rest, err)
				}
				for _, want := range c.heard {
					if !strings.Contains(string(rest), want) {
						t.Errorf("%q was not heard: %q", want, rest)
					}
				}
				testkit.Eventually(t, "nobody is connected", func() bool { return r.Stats().Clients == 0 })
				if n := one[int](t, direct, "SELECT count(*) FROM wishes"); n != 0 {
					t.Errorf("%d wishes", n)
				}
			})
		}
	})
}
