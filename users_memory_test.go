package lakebase_test

import (
	"bytes"
	"context"
	"crypto/sha256"
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
	settledUsers = 200 // after which no more memory should be needed
	userLimit    = 50
)

// actForUsersVariable makes the test binary the program of actForUsers.
const actForUsersVariable = "ACT_FOR_USERS"

// usersOrder is what that program does.
type usersOrder struct {
	Host, Token, Endpoint, SSLRootCert string
	Port                               uint16
	Full, Empty                        string // files for dumps of the heap: with the last users, with none
}

// usersResult is what it has measured.
type usersResult struct {
	Heap       [2]uint64 // after settledUsers, and after all
	Goroutines [2]int
	Held       int // users at the end
	Wrong      []string
}

// A thousand users pass through a set of 50. Each sees itself alone; neither memory nor
// goroutines grow after the first of them; and the heap of the program, searched byte
// by byte, has no token of a user that was removed, neither of the workspace nor of the
// database. The program is a process of its own, since the local Lakebase knows all of
// its tokens.
func TestThousandUsersLeaveNothing(t *testing.T) {
	t.Parallel()
	names := make([]string, manyUsers)
	for i := range names {
		names[i] = fmt.Sprintf("user-%04d@example.com", i)
	}
	s := serve(t, local.Options{Projects: []string{"my-project"}, Principals: names})
	admin, err := connector(t, s, "my-project").Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	if _, err := admin.Exec(t.Context(), "select databricks_create_role(name, 'USER') from unnest($1::text[]) name", names); err != nil {
		t.Fatal(err)
	}
	cfg := connectorConfig(t, s)
	cfg.Full, cfg.Empty = filepath.Join(t.TempDir(), "full"), filepath.Join(t.TempDir(), "empty")
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

	held := 0
	for token := range tokensIn(t, cfg.Full) {
		if number, ok := tokens[token]; ok && number >= manyUsers-2*userLimit {
			held++
		} else if ok {
			t.Errorf("the heap has the token of user %d, who was removed", number)
		}
	}
	if held == 0 || held > userLimit {
		t.Errorf("the heap has the tokens of %d users, want 1 to %d", held, userLimit)
	}
	if jwts := jwtsIn(t, cfg.Full); jwts == 0 {
		t.Error("the heap has no token of the database: the search finds nothing")
	}
	for token := range tokensIn(t, cfg.Empty) {
		if number, ok := tokens[token]; ok {
			t.Errorf("the heap has the token of user %d after the end", number)
		}
	}
	if jwts := jwtsIn(t, cfg.Empty); jwts != 0 {
		t.Errorf("the heap has %d tokens of the database after the end", jwts)
	}
}

// connectorConfig is what connects to my-project on s.
func connectorConfig(t *testing.T, s *local.Server) usersOrder {
	t.Helper()
	c := lakebasetest.Config(t, s, "my-project")
	return usersOrder{Host: c.Workspace.Host, Token: c.Workspace.Token, Endpoint: c.Endpoint, SSLRootCert: c.SSLRootCert, Port: c.Port}
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

// tokensIn returns the tokens of the workspace in a dump of a heap.
func tokensIn(t *testing.T, file string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, token := range patForm.FindAll(read(t, file), -1) {
		found[string(token)] = true
	}
	return found
}

// jwtsIn counts the tokens of the database in it.
func jwtsIn(t *testing.T, file string) int {
	t.Helper()
	return len(jwtForm.FindAll(read(t, file), -1))
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
		Endpoint: order.Endpoint, SSLRootCert: order.SSLRootCert, Port: order.Port,
		Workspace: &sdkconfig.Config{Host: order.Host, Token: order.Token},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fail(err)
	}
	defer connector.Close()
	users := &lakebase.Users{Connector: connector, MaxUsers: userLimit, IdleTimeout: time.Hour}
	lines := bytes.Split(bytes.TrimSpace(rest), []byte("\n"))

	var result usersResult
	var mu sync.Mutex
	serve := func(lines [][]byte) {
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
	measure := func(i int) {
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, _, _, ending := lakebase.UsersSizes(users); ending == 0 {
				break
			}
		}
		collectGarbage()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		result.Heap[i], result.Goroutines[i] = m.HeapAlloc, runtime.NumGoroutine()
	}
	serve(lines[:settledUsers])
	measure(0)
	serve(lines[settledUsers:])
	measure(1)
	result.Held, _, _, _ = lakebase.UsersSizes(users)
	const own = 1 // of the connector
	if err := dumpHeap(order.Full, userLimit+own); err != nil {
		return fail(err)
	}
	users.Close()
	if err := dumpHeap(order.Empty, own); err != nil {
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

// dumpHeap writes every object of the heap to a file. What was freed is not in it. The
// runtime may keep the context of a call for as long as the call might have taken, which
// is a minute; dumpHeap gives it that time if there are more tokens than expected.
func dumpHeap(name string, expected int) error {
	for began := time.Now(); ; time.Sleep(time.Second) {
		collectGarbage()
		file, err := os.Create(name)
		if err != nil {
			return err
		}
		debug.WriteHeapDump(file.Fd())
		if err := file.Close(); err != nil {
			return err
		}
		found, err := countTokens(name)
		if err != nil || found <= expected || time.Since(began) > 90*time.Second {
			return err
		}
	}
}

// countTokens counts the tokens of the workspace in a file, and keeps none of them.
func countTokens(name string) (int, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	defer clear(content)
	found := map[[sha256.Size]byte]bool{}
	for _, token := range patForm.FindAll(content, -1) {
		found[sha256.Sum256(token)] = true
	}
	return len(found), nil
}
