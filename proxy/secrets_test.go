package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/proxy"
)

// The monitor, the console and the log show no password, verifier or token, and
// show what clients choose as text.
func TestNothingShownIsSecret(t *testing.T) {
	t.Parallel()
	const verifier = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
	r := startPooled(t, proxy.Config{HTTPListen: "127.0.0.1:0", AdminUsers: []string{"boss"},
		Users: users(t, map[string]string{"boss": "swordfish-12", "rfc": verifier, "<b>bold</b>": "pw"})})
	as := func(login, database string) string {
		return fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", login, r.Addr(), database)
	}
	exec(t, connect(t, as("rfc:pencil", "shop")), "SELECT 1")
	hostile := connect(t, as("%3Cb%3Ebold%3C%2Fb%3E:pw", "shop")+"&application_name=%3Cscript%3Ealert(1)%3C%2Fscript%3E")
	exec(t, hostile, "BEGIN") // busy clients are on the page
	refused(t, as("boss:swordfish-21", "shop"), "28P01", "password")

	shown := map[string]string{}
	for _, path := range []string{"/", "/pool?name=shop", fmt.Sprintf("/client?id=%d", hostile.PgConn().PID()), "/metrics", "/readiness"} {
		_, shown[path], _ = r.get(path)
	}
	pages := 0
	for path, page := range shown {
		if strings.Contains(page, "<!DOCTYPE html>") {
			pages++
			if strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>bold") || !strings.Contains(page, "&lt;script&gt;") {
				t.Errorf("%s has markup of a client's, or lacks its name", path)
			}
		}
	}
	if page := shown["/"]; !strings.Contains(page, `<th scope="row">28P01</th><td class="n">1</td>`) || !strings.Contains(page, "password authentication failed for user") {
		t.Error("the page does not show the error that the proxy has sent")
	}
	if pages != 3 {
		t.Errorf("%d pages were checked", pages)
	}
	console := connect(t, as("boss:swordfish-12", "pgbouncer"))
	_, help := rowsOf(t, console, "SHOW HELP")
	for _, line := range help {
		if command := line["command"].(string); strings.HasPrefix(command, "SHOW ") {
			_, rows := rowsOf(t, console, strings.NewReplacer("[", "", "]", "").Replace(command)) // all columns
			command, _, _ = strings.Cut(command, " [")
			shown[command] = fmt.Sprint(rows)
		}
	}
	shown["the log"] = r.log.String()
	if len(shown) < 20 || !strings.Contains(shown["SHOW USERS"], "rfc") || !strings.Contains(shown["the log"], "boss") {
		t.Fatalf("%d places were checked", len(shown))
	}
	for where, text := range shown {
		for _, secret := range []string{"swordfish", "pencil", "SCRAM-SHA-256$", "WG5d8oPm", "wfPLwcE6", "eyJ"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, where)
			}
		}
	}
}
