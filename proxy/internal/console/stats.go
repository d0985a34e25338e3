package console

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// stat is a figure of PgBouncer's statistics, which goes by a name in each
// command.
type stat struct {
	total, avg       string // in SHOW STATS, without total_ and avg_
	totals, averages string // in SHOW STATS_TOTALS and SHOW STATS_AVERAGES
	list             string // in SHOW TOTALS
	of               func(*snapshot.Totals) uint64
	per              func(*snapshot.Totals) uint64 // what the average is over; nil for seconds
}

// stats are in PgBouncer's order. What is not counted has no of, and is NULL.
var stats = []stat{
	named("server_assignment_count", func(t *snapshot.Totals) uint64 { return t.Assignments }, nil),
	named("xact_count", func(t *snapshot.Totals) uint64 { return t.Transactions }, nil),
	named("query_count", func(t *snapshot.Totals) uint64 { return t.Queries }, nil),
	{"received", "recv", "bytes_received", "bytes_received", "client_bytes", func(t *snapshot.Totals) uint64 { return t.Received }, nil},
	{"sent", "sent", "bytes_sent", "bytes_sent", "server_bytes", func(t *snapshot.Totals) uint64 { return t.Sent }, nil},
	named("xact_time", func(t *snapshot.Totals) uint64 { return microseconds(t.TransactionTime) }, func(t *snapshot.Totals) uint64 { return t.Transactions }),
	named("query_time", func(t *snapshot.Totals) uint64 { return microseconds(t.QueryTime) }, func(t *snapshot.Totals) uint64 { return t.Queries }),
	named("wait_time", func(t *snapshot.Totals) uint64 { return microseconds(t.WaitTime) }, func(t *snapshot.Totals) uint64 { return t.Assignments }),
	{"client_parse_count", "client_parse_count", "client_parse_count", "avg_client_parse_count", "ps_client_parse_count", nil, nil},
	{"server_parse_count", "server_parse_count", "server_parse_count", "avg_server_parse_count", "ps_server_parse_count", nil, nil},
	{"bind_count", "bind_count", "bind_count", "avg_bind_count", "ps_bind_count", nil, nil},
	{"client_login_count", "client_login_count", "client_login_count", "avg_client_login_count", "client_login_count", func(t *snapshot.Totals) uint64 { return t.Sessions }, nil},
}

// named is a figure with one name for all commands.
func named(name string, of, per func(*snapshot.Totals) uint64) stat {
	return stat{name, name, name, name, name, of, per}
}

func microseconds(d time.Duration) uint64 { return uint64(max(d.Microseconds(), 0)) }

func statsCommands() []command {
	names := func(name func(stat) string) (names []string) {
		for _, s := range stats {
			names = append(names, name(s))
		}
		return names
	}
	totals := number(names(func(s stat) string { return "total_" + s.total })...)
	averages := number(names(func(s stat) string { return "avg_" + s.avg })...)
	return []command{
		{words: "SHOW STATS", means: "what each database has served, and averages of the last minute or two", run: showStats(true, true),
			columns: slices.Concat(text("database"), totals, averages)},
		{words: "SHOW STATS_TOTALS", means: "what each database has served", run: showStats(true, false),
			columns: append(text("database"), number(names(func(s stat) string { return s.totals })...)...)},
		{words: "SHOW STATS_AVERAGES", means: "averages of the last minute or two, per second, and of times per transaction, query or wait", run: showStats(false, true),
			columns: append(text("database"), number(names(func(s stat) string { return s.averages })...)...)},
		{words: "SHOW TOTALS", means: "what all databases together have served", run: showTotals,
			columns: append(text("name"), number("value")...)},
	}
}

// showStats returns what shows the totals and averages of each database.
func showStats(totals, averages bool) func(context.Context, *Session, string) ([]row, error) {
	return func(_ context.Context, s *Session, _ string) (rows []row, _ error) {
		then, now := s.console.base(), s.console.totals()
		for _, database := range slices.Sorted(maps.Keys(now.totals)) {
			r := row{database}
			if totals {
				r = append(r, totalsOf(now.totals[database])...)
			}
			if averages {
				r = append(r, averagesOf(then.totals[database], now.totals[database], now.at.Sub(then.at))...)
			}
			rows = append(rows, r)
		}
		return rows, nil
	}
}

func totalsOf(t snapshot.Totals) (values []any) {
	for _, s := range stats {
		if s.of == nil {
			values = append(values, nil)
			continue
		}
		values = append(values, int64(s.of(&t)))
	}
	return values
}

func averagesOf(then, now snapshot.Totals, time time.Duration) (values []any) {
	for _, s := range stats {
		if s.of == nil {
			values = append(values, nil)
			continue
		}
		more := float64(s.of(&now)) - float64(s.of(&then))
		over := time.Seconds()
		if s.per != nil {
			over = float64(s.per(&now)) - float64(s.per(&then))
		}
		if over > 0 && more > 0 { // there are fewer when a target has been removed
			values = append(values, int64(more/over))
		} else {
			values = append(values, int64(0))
		}
	}
	return values
}

func showTotals(_ context.Context, s *Session, _ string) (rows []row, _ error) {
	then, now := s.console.base(), s.console.totals()
	var before, after snapshot.Totals
	for _, t := range then.totals {
		before.Add(t)
	}
	for _, t := range now.totals {
		after.Add(t)
	}
	for i, v := range totalsOf(after) {
		rows = append(rows, row{"total_" + stats[i].list, v})
	}
	for i, v := range averagesOf(before, after, now.at.Sub(then.at)) {
		rows = append(rows, row{"avg_" + stats[i].list, v})
	}
	return rows, nil
}
