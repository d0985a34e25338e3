package main

import (
	"context"
	"errors"
	"fmt"
)

// crowded is a database like the usual one, but with many functions.
const crowded = "crowded"

// crowd creates crowded. A few of its functions put SQL together at run time, so that the
// proxy cannot know what they leave behind.
func (u *upstream) crowd(ctx context.Context) error {
	const functions, opaque = 3000, 5
	admin, err := u.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if err := u.fillDatabase(ctx, admin, crowded, scale); err != nil {
		return err
	}
	inside, err := u.server.Connect(ctx, crowded)
	if err != nil {
		return err
	}
	defer inside.Close(ctx)
	_, err = inside.Exec(ctx, fmt.Sprintf(`DO $do$ BEGIN
		FOR i IN 1..%d LOOP
			EXECUTE format('CREATE FUNCTION plain_%%s(n int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN n + %%s; END$$', i, i);
		END LOOP;
		FOR i IN 1..%d LOOP
			EXECUTE format('CREATE FUNCTION opaque_%%s(name text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE format(''ANALYZE %%%%I'', name); END$$', i);
		END LOOP;
	END $do$`, functions-opaque, opaque))
	return err
}

// isolation compares the proxy with itself: with a reset of the server connection
// whenever another client comes, and in front of a database with many functions.
func (b *proxyBench) isolation(ctx context.Context) ([]row, error) {
	if err := b.upstream.crowd(ctx); err != nil {
		return nil, err
	}
	always, err := b.programs.startOurs(b.upstream, "--server-reset-query-always")
	if err != nil {
		return nil, err
	}
	defer always.stop()
	many := *b.ours
	many.database = crowded
	var rows []row
	protocols := []string{"simple", "prepared"}
	if b.isShort() {
		protocols = protocols[:1]
	}
	for _, protocol := range protocols {
		for _, way := range []struct {
			what string
			peer *peer
		}{{"server_reset_query_always", always}, {"a database with 3,000 functions, 5 of them opaque", &many}} {
			l := load{protocol, 16, false}
			ours, other, err := alternate(b.rounds,
				func() (cost, error) { return b.side(ctx, way.peer, l) },
				func() (cost, error) { return b.side(ctx, b.ours, l) })
			if err != nil {
				return nil, errors.Join(err, ctx.Err())
			}
			price := ratioRow(each(ours, func(c cost) float64 { return c.perSecond }), each(other, func(c cost) float64 { return c.perSecond }), "%.0f")
			price.What, price.Group, price.Met = fmt.Sprintf("%s, %s / without", l, way.what), groupIsolation, true
			rows = append(rows, price)
		}
	}
	return rows, nil
}
