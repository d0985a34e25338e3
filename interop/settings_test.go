package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// settingChanges are texts with the number of a client and one at random.
var settingChanges = []string{
	"set app.tenant = 'tenant %d %d'", "select set_config('app.tenant', '%d-%d', false)", "set work_mem = '1%02d%03dkB'", "set timezone = 'UTC+%d'/*%d*/",
	"set search_path = s%d_%d, public", "set statement_timeout = '1%02d%03d'", "set datestyle = 'SQL, DMY'/*%d %d*/", "reset work_mem/*%d %d*/",
	"reset all/*%d %d*/", "begin; set local work_mem = '2%02d%03dkB'; set app.other = 'lost'; rollback", "begin; set app.other = '%d %d'; commit",
	"set application_name = 'client %d %d'", "discard all/*%d %d*/", "do $$begin perform set_config('app.other', 'done %d %d', false); end$$",
}

const allSettings = `select concat_ws('|', coalesce(current_setting('app.tenant', true), ''), coalesce(current_setting('app.other', true), ''), current_setting('work_mem'), current_setting('timezone'),
	current_setting('search_path'), current_setting('statement_timeout'), current_setting('datestyle'), current_setting('application_name'))`

// Many clients change their settings again and again, with few server connections. Each
// has the settings that it would have over a connection of its own.
func TestSettingsStorm(t *testing.T) {
	t.Parallel()
	record(t, "pgx", moduleVersion(t, "github.com/jackc/pgx/v5"), "16 clients change settings at once: by the proxy as directly")
	v := startSmallProxy(t, 3)
	seed := rand.Uint64()
	t.Log("seed", seed)
	var clients sync.WaitGroup
	for client := range 16 {
		direct := past(t)
		proxied, err := pgx.Connect(t.Context(), v.dsn()+" application_name=''")
		if err != nil {
			t.Fatal(err)
		}
		defer proxied.Close(context.Background())
		clients.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(client)))
			var texts []string
			for range 40 {
				text := fmt.Sprintf(settingChanges[random.IntN(len(settingChanges))], client%12, random.IntN(1000))
				texts = append(texts, text)
				var seen [2]string
				for i, conn := range []*pgx.Conn{direct, proxied} {
					if _, err := conn.Exec(t.Context(), text); err != nil {
						t.Errorf("client %d, %s: %v", client, text, err)
						return
					}
					if err := conn.QueryRow(t.Context(), allSettings, pgx.QueryExecModeExec).Scan(&seen[i]); err != nil {
						t.Errorf("client %d, %s: %v", client, text, err)
						return
					}
				}
				if seen[0] != seen[1] {
					t.Errorf("client %d after %q:\nby the proxy %s\ndirectly     %s", client, texts, seen[1], seen[0])
					return
				}
			}
		})
	}
	clients.Wait()
}
