package lakebase_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
	"github.com/lakebase-go/lakebase/local"
)

const (
	manyUsers    = 1000
	expiredUsers = 40  // the first ones, each of which is alone in a set and falls idle
	settledUsers = 200 // after which no more memory should be needed
	userLimit    = 50
)

// actForUsersVariable makes the test binary the program of actForUsers.
const actForUsersVariable = "ACT_FOR_USERS"

// usersOrder is what that program does.
type usersOrder struct {
	Host, Token, Endpoint, SSLRootCert string
	Port                               uint16
	Expired, Full, Empty               string // files for dumps of the heap: when the first users have expired, with the last ones, with none
}

// usersResult is what it has measured.
type usersResult struct {
	Heap       [2]uint64 // after settledUsers, and after all
	Goroutines [2]int
	Held       int // users at the end
	Wrong      []string
}

// A thousand users pass through a set of 50. Each sees itself alone; neither memory nor
// goroutines grow after the first of them; and no pointer of the program leads to a token
// of a user that was removed, neither of the workspace nor of the database, whether it
// made room for another, was idle, or the set was closed. The program is a process of its
// own, since the local Lakebase knows all of its tokens. It logs in to a [userServer].
func TestThousandUsersLeaveNothing(t *testing.T) {
	t.Parallel()
	names := make([]string, manyUsers)
	for i := range names {
		names[i] = fmt.Sprintf("user-%04d@example.com", i)
	}
	s := serve(t, local.Options{Projects: []string{"my-project"}, Principals: names})
	cfg := connectorConfig(t, s)
	dir := t.TempDir()
	cfg.Expired, cfg.Full, cfg.Empty = filepath.Join(dir, "expired"), filepath.Join(dir, "full"), filepath.Join(dir, "empty")
	var input bytes.Buffer
	if err := json.NewEncoder(&input).Encode(cfg); err != nil {
		t.Fatal(err)
	}
	tokens := map[string]int{} // the number of the user
	for _, p := range s.Principals() {
		var number int
		if _, err := fmt.Sscanf(p.Name, "user-%d@", &number); err == nil {
			tokens[p.Secret] = number
			fmt.Fprintf(&input, "%s %s\n", p.Name, p.Secret)
		}
	}
	result := runForUsers(t, &input)
	for _, wrong := range result.Wrong {
		t.Error(wrong)
	}
	t.Logf("heap %d KiB after %d users, %d KiB after %d; %d and %d goroutines", result.Heap[0]>>10, settledUsers,
		result.Heap[1]>>10, manyUsers, result.Goroutines[0], result.Goroutines[1])
	if growth := int64(result.Heap[1]) - int64(result.Heap[0]); growth > 1<<20 {
		t.Errorf("the heap has grown by %d KiB", growth>>10)
	}
	if growth := result.Goroutines[1] - result.Goroutines[0]; growth > 10 {
		t.Errorf("there are %d goroutines more", growth)
	}
	if result.Held != userLimit {
		t.Errorf("%d users are held, want %d", result.Held, userLimit)
	}

	expired, full, empty := reachable(t, cfg.Expired), reachable(t, cfg.Full), reachable(t, cfg.Empty)
	held := 0
	for token := range tokensIn(full) {
		if number, ok := tokens[token]; ok && number >= manyUsers-2*userLimit {
			held++
		} else if ok {
			t.Errorf("the program has the token of user %d, who was removed", number)
		}
	}
	if held != userLimit {
		t.Errorf("the program has the tokens of %d users, want %d", held, userLimit)
	}
	if jwts := jwtsIn(full); jwts != userLimit {
		t.Errorf("the program has %d tokens of the database, want %d", jwts, userLimit)
	}
	for token := range tokensIn(expired) {
		if number, ok := tokens[token]; ok && number < expiredUsers {
			t.Errorf("the program has the token of user %d, who has expired", number)
		}
	}
	for token := range tokensIn(empty) {
		if number, ok := tokens[token]; ok {
			t.Errorf("the program has the token of user %d after the end", number)
		}
	}
	if jwts := jwtsIn(expired); jwts != userLimit {
		t.Errorf("the program has %d tokens of the database when users have expired, want %d", jwts, userLimit)
	}
	if jwts := jwtsIn(empty); jwts != 0 {
		t.Errorf("the program has %d tokens of the database after the end", jwts)
	}
}

// connectorConfig is what connects to my-project by the workspace of s.
func connectorConfig(t *testing.T, s *local.Server) usersOrder {
	t.Helper()
	c := lakebasetest.Config(t, s, "my-project")
	port, root := startUserServer(t)
	return usersOrder{Host: c.Workspace.Host, Token: c.Workspace.Token, Endpoint: c.Endpoint, SSLRootCert: root, Port: port}
}

func runForUsers(t *testing.T, input io.Reader) (result usersResult) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), actForUsersVariable+"=1")
	cmd.Stdin = input
	var output, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	if err := json.Unmarshal(output.Bytes(), &result); err != nil {
		t.Fatalf("%v in %q", err, output.String())
	}
	return result
}

var (
	patForm = regexp.MustCompile(`dapi[0-9a-f]{32}`)
	jwtForm = regexp.MustCompile(`eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.`)
)

// tokensIn returns the tokens of the workspace in what a program has.
func tokensIn(dump []byte) map[string]bool { return distinct(patForm, dump) }

// jwtsIn counts the tokens of the database in it, each one once.
func jwtsIn(dump []byte) int { return len(distinct(jwtForm, dump)) }

func distinct(form *regexp.Regexp, dump []byte) map[string]bool {
	found := map[string]bool{}
	for _, token := range form.FindAll(dump, -1) {
		found[string(token)] = true
	}
	return found
}

// actForUsers runs a request for each user on standard input. It keeps no token itself.
func actForUsers() (code int) {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return fail(err)
	}
	first, rest, _ := bytes.Cut(input, []byte("\n"))
	var order usersOrder
	if err := json.Unmarshal(first, &order); err != nil {
		return fail(err)
	}
	connector, err := lakebase.New(&lakebase.Config{
		Endpoint: order.Endpoint, SSLRootCert: order.SSLRootCert, Host: "127.0.0.1", Port: order.Port,
		Workspace: &sdkconfig.Config{Host: order.Host, Token: order.Token},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fail(err)
	}
	defer connector.Close()
	users := &lakebase.Users{Connector: connector, MaxUsers: userLimit, IdleTimeout: time.Hour}
	expiring := &lakebase.Users{Connector: connector, IdleTimeout: time.Millisecond}
	lines := bytes.Split(bytes.TrimSpace(rest), []byte("\n"))

	var result usersResult
	var mu sync.Mutex
	serve := func(users *lakebase.Users, lines [][]byte) {
		next := make(chan []byte)
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for line := range next {
					name, token, _ := bytes.Cut(line, []byte(" "))
					ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
					seen, err := sessionOf(ctx, users, string(token))
					cancel()
					if err != nil || seen.user != string(name) {
						mu.Lock()
						result.Wrong = append(result.Wrong, fmt.Sprintf("%s is %q: %v", name, seen.user, err))
						mu.Unlock()
					}
					clear(token)
				}
			})
		}
		for _, line := range lines {
			next <- line
		}
		close(next)
		workers.Wait()
	}
	settle := func(users *lakebase.Users, want int) { // until no pool of another user is left
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if held, _, _, ending := lakebase.UsersSizes(users); held == want && ending == 0 {
				break
			}
		}
		collectGarbage()
	}
	measure := func(i int) {
		settle(users, userLimit)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		result.Heap[i], result.Goroutines[i] = m.HeapAlloc, runtime.NumGoroutine()
	}
	serve(users, lines[expiredUsers:settledUsers])
	serve(expiring, lines[:expiredUsers])
	settle(expiring, 0)
	if err := dumpHeap(order.Expired); err != nil { // with the timers of other users, which keep expired ones in the runtime
		return fail(err)
	}
	measure(0)
	serve(users, lines[settledUsers:])
	measure(1)
	result.Held, _, _, _ = lakebase.UsersSizes(users)
	if err := dumpHeap(order.Full); err != nil {
		return fail(err)
	}
	users.Close()
	collectGarbage()
	if err := dumpHeap(order.Empty); err != nil {
		return fail(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// collectGarbage frees what is not reachable, pooled buffers included, which outlive
// one collection.
func collectGarbage() {
	for range 4 {
		runtime.GC()
	}
}

// dumpHeap writes the heap to a file.
func dumpHeap(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	debug.WriteHeapDump(file.Fd())
	return file.Close()
}
