package sqlscan

import "testing"

func TestReadsClock(t *testing.T) {
	for text, want := range map[string]bool{
		`select 1`:                            false,
		`select now()`:                        false,
		`select today from t where a = 'b'`:   false,
		`select 'nowhere', 'snow', 'known'`:   false,
		`select 1 -- 'now'`:                   false,
		`select '\d+ nowhere'`:                false,
		`select 'now'::timestamptz`:           true,
		`select date 'TODAY'`:                 true,
		`select $$tomorrow 10:00$$::time`:     true,
		`select '{yesterday,now}'::date[]`:    true,
		`select E'\x6eow'::date`:              true,
		`select "now" from t where b = 'now'`: true,
	} {
		if got := ReadsClock([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}
