package main

import (
	"cmp"
	"fmt"
	"io"
)

// report is the result of one run.
type report struct {
	Date        string  `json:"date"`
	Machine     string  `json:"machine"`
	Load        string  `json:"load"` // of the minute before
	Took        string  `json:"took"`
	Rounds      int     `json:"rounds"`
	ProxyRounds int     `json:"proxy_rounds"`
	ProxyPeer   string  `json:"proxy_peer,omitempty"` // what the proxy was measured beside, with its version
	Postgres    string  `json:"postgres,omitempty"`   // that of the server behind both
	Rows        []row   `json:"rows"`
	Curves      []curve `json:"curves,omitempty"`
}

// row is one line of a table: what was measured, ours and the peer's.
type row struct {
	Group  string `json:"group,omitempty"`
	What   string `json:"what"`
	Ours   string `json:"ours"`
	Peer   string `json:"peer,omitempty"`
	Ratio  string `json:"ratio,omitempty"`
	Spread string `json:"spread,omitempty"`
	Target string `json:"target,omitempty"` // "" if there is none
	Met    bool   `json:"met"`

	ratio float64
}

// Groups of rows, each a table.
const (
	groupLibrary   = "The library" // of rows without a group
	groupCLI       = "The command line"
	groupSpeed     = "Proxy: queries a second, pgbench -S"
	groupCPU       = "Proxy: seconds of processor time for a million queries"
	groupLatency   = "Proxy: latency in ms, median / 99th percentile; the ratio is that of the latter"
	groupIsolation = "Proxy: the price of isolation, queries a second, pgbench -S"
	groupAlone     = "Proxy: with nothing but repeaters beside it"
	groupOther     = "Proxy: connections, memory, bulk data"
)

// markdown writes the tables.
func (r report) markdown(w io.Writer) {
	fmt.Fprintf(w, "Measured %s on %s, in %s; load average before: %s.\n", r.Date, r.Machine, r.Took, r.Load)
	for _, group := range []string{groupLibrary, groupCLI, groupSpeed, groupCPU, groupLatency, groupIsolation, groupAlone, groupOther} {
		r.table(w, group)
	}
	for _, c := range r.Curves {
		c.markdown(w)
	}
}

func (r report) table(w io.Writer, group string) {
	began := false
	for _, row := range r.Rows {
		if cmp.Or(row.Group, groupLibrary) != group {
			continue
		}
		if !began {
			began = true
			peer, rounds := "peer", r.Rounds
			switch group {
			case groupLibrary:
			case groupCLI:
				peer = "psql"
			case groupIsolation:
				peer, rounds = "without", r.ProxyRounds
			case groupOther:
				rounds = r.ProxyRounds
			default:
				peer, rounds = "peer", r.ProxyRounds
			}
			fmt.Fprintf(w, "\n### %s\n\n", group)
			if group == groupSpeed {
				fmt.Fprintf(w, "%s, PostgreSQL %s.\n", r.ProxyPeer, r.Postgres)
			}
			fmt.Fprintf(w, "Medians of %d alternating rounds.\n\n", rounds)
			fmt.Fprintf(w, "| what | ours | %s | ratio | spread | target | met |\n", peer)
			fmt.Fprintln(w, "|---|---|---|---|---|---|---|")
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s | %s |\n", row.What, row.Ours, row.Peer, row.Ratio, row.Spread, row.Target, row.verdict())
	}
}

func (r row) verdict() string {
	switch {
	case r.Target == "":
		return ""
	case r.Met:
		return "yes"
	}
	return "**no**"
}
