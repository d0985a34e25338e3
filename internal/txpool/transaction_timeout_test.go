package txpool

import (
	"strings"
	"testing"
)

// The reset and the scan lift transaction_timeout, which would end the session, on the
// servers that have it. The others would fail.
func TestResetAndScanLiftTransactionTimeout(t *testing.T) {
	for version, lifts := range map[string]bool{"": false, "9.6.24": false, "16.9": false, "17.2 (Debian 17.2-1)": true, "18beta1": true, "18.0": true} {
		var table Statements
		table.AlwaysReset.Store(true)
		s := NewServer(&table, 0)
		s.SetReported(NewReported(map[string]string{"server_version": version}))
		s.owner = NewClient(&table)
		x := new(Relay)
		x.Link(NewClient(&table), s)
		_, sent, _, err := x.FromClient(fromClient("Q(select 1)"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		sql := string(sent)
		const resets, scans = "SET transaction_timeout = 0;", "SET LOCAL transaction_timeout = 0;"
		want := 0
		if lifts {
			want = 1
		}
		if strings.Count(sql, resets) != 2*want || strings.Count(sql, scans) != want || strings.Count(sql, "RESET transaction_timeout") != want {
			t.Errorf("server_version %q: the reset and the scan are %s", version, sql)
		}
	}
}
