package interop

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestJudges runs the suites through the proxy, one after another.
func TestJudges(t *testing.T) {
	c := newCourt(t)
	t.Run("libpq_pipeline", func(t *testing.T) { judgePipeline(t, c) })
	for _, s := range suites {
		t.Run(s.name, func(t *testing.T) { judgeSuite(t, c, s) })
	}
}

// judge makes a command of a program that judges.sh has built, with only the
// environment that every program needs.
func judge(t *testing.T, timeout time.Duration, dir string, env []string, path string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C", "TZ=UTC"}, env...)
	cmd.WaitDelay = time.Second
	return cmd
}

// judgePipeline runs PostgreSQL's own tests of pipelining. If PostgreSQL's source
// has a trace of the messages, that must be the same too.
func judgePipeline(t *testing.T, c *court) {
	dir := filepath.Join(*judgesDir, "libpq_pipeline")
	program := filepath.Join(dir, "libpq_pipeline")
	list, err := judge(t, time.Minute, dir, nil, program, "tests").Output()
	if err != nil {
		t.Fatal(err)
	}
	tests := strings.Fields(string(list))
	if len(tests) < 11 {
		t.Fatalf("libpq_pipeline has the tests %q only", tests)
	}
	table := &verdicts{title: fmt.Sprintf("libpq_pipeline, %d tests of PostgreSQL's", len(tests))}
	table.add("WAY", "PASSED", "SAME TRACE", "FAILED")
	for _, w := range c.ways {
		c.renew("pipeline")
		var passed, traced int
		var failed []string
		for _, name := range tests {
			trace := filepath.Join(t.TempDir(), "trace")
			// One test sends until nothing more can be buffered, which may be much.
			out, err := judge(t, 6*time.Minute, dir, w.env("pipeline"), program, "-r", "700", "-t", trace, name, "").CombinedOutput()
			want, known := os.ReadFile(filepath.Join(dir, "traces", name+".trace"))
			switch got, _ := os.ReadFile(trace); {
			case err != nil:
				t.Errorf("%s, %s: %v: %s", w.name, name, err, short(string(out[max(0, len(out)-400):])))
				failed = append(failed, name)
				continue
			case known == nil && bytes.Equal(got, want):
				traced++
			case known == nil:
				t.Errorf("%s, %s: the trace of the messages is another:\n%s\nnot\n%s", w.name, name, got, want)
				failed = append(failed, name+" (trace)")
				continue
			}
			passed++
		}
		table.add(w.name, fmt.Sprint(passed), fmt.Sprint(traced), strings.Join(failed, ", "))
	}
	table.print(os.Stdout)
}

// suite is the test suite of a driver.
type suite struct {
	name, database string
	packages       []string          // that need a database, by their directories
	setup          []string          // of the database
	skip           string            // tests that do not ask for the database that is judged
	differs        map[string]reason // tests that fail by way of the proxy, by name
}

// reason is why a test fails through the proxy, in one mode or in both.
type reason struct {
	modes, text string
}

// judgeSuite runs a driver's tests in each way. A test that fails through the
// proxy and not directly must have a reason.
func judgeSuite(t *testing.T, c *court, s suite) {
	failed := map[string]map[string]string{} // what tests said, by name and way
	table := &verdicts{title: "The test suite of " + s.name}
	table.add("WAY", "PASSED", "FAILED", "SKIPPED")
	for _, w := range c.ways {
		c.renew(s.database)
		c.admin(s.database, s.setup...)
		var total tally
		for _, path := range s.packages {
			got := runSuite(t, s, w, path)
			total.passed, total.skipped = total.passed+got.passed, total.skipped+got.skipped
			for test, said := range got.failed {
				if failed[test] == nil {
					failed[test] = map[string]string{}
				}
				failed[test][w.name] = said
			}
		}
		n := 0
		for _, by := range failed {
			if _, ok := by[w.name]; ok {
				n++
			}
		}
		table.add(w.name, fmt.Sprint(total.passed), fmt.Sprint(n), fmt.Sprint(total.skipped))
	}
	table.print(os.Stdout)
	s.explain(t, failed)
}

// explain prints why tests fail, and fails for one without a reason.
func (s suite) explain(t *testing.T, failed map[string]map[string]string) {
	table := &verdicts{title: "Tests of " + s.name + " that fail by way of the proxy"}
	table.add("TEST", "SESSION", "TRANSACTION", "REASON")
	var direct []string
	for _, name := range slices.Sorted(maps.Keys(failed)) {
		by := failed[name]
		if _, ok := by["direct"]; ok {
			direct = append(direct, name)
			continue
		}
		row := []string{name}
		why := s.differs[name]
		for _, mode := range []string{"session", "transaction"} {
			result := "ok"
			if said, ok := by[mode]; ok {
				result = "fails"
				if !strings.Contains(why.modes, mode) {
					t.Errorf("%s fails in %s mode, and not directly: %s", name, mode, said)
				}
			}
			row = append(row, result)
		}
		table.add(append(row, why.text)...)
	}
	for _, name := range slices.Sorted(maps.Keys(s.differs)) {
		if failed[name] == nil {
			t.Logf("%s has not failed this time: %s", name, s.differs[name].text)
		}
	}
	table.print(os.Stdout)
	if len(direct) > 0 {
		fmt.Printf("%d fail directly, too: %s\n", len(direct), strings.Join(direct, ", "))
	}
}

// tally counts the results of a package's tests.
type tally struct {
	passed, skipped int
	failed          map[string]string // what they said, by name
}

// suiteTimeout bounds the tests of one package. In transaction mode some of pgx's
// wait two minutes for the end of a backend that is not theirs.
const suiteTimeout = 9 * time.Minute

func runSuite(t *testing.T, s suite, w way, path string) tally {
	t.Helper()
	dir, name := filepath.Join(*judgesDir, s.name, path), filepath.Base(path)
	if path == "." {
		name = s.name
	}
	program := filepath.Join(*judgesDir, s.name+".tests", name+".test")
	args := []string{"-test.v", "-test.timeout", suiteTimeout.String()}
	if s.skip != "" {
		args = append(args, "-test.skip", s.skip)
	}
	out, err := judge(t, suiteTimeout+time.Minute, dir, w.env(s.database), program, args...).CombinedOutput()
	got := readTests(string(out))
	if err != nil && len(got.failed) == 0 || bytes.Contains(out, []byte("\npanic: ")) {
		t.Errorf("%s, %s did not end well: %v: %s", w.name, name, err, short(string(out[max(0, len(out)-2000):])))
	}
	t.Logf("%s, %s: %d passed, %d failed, %d skipped", w.name, name, got.passed, len(got.failed), got.skipped)
	return got
}

var testEnded = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+) \(`)

// readTests reads the output of tests. Of a failed test with subtests, only those
// count.
func readTests(out string) tally {
	got := tally{failed: map[string]string{}}
	var said []string
	for line := range strings.Lines(out) {
		m := testEnded.FindStringSubmatch(line)
		if m == nil {
			if !strings.HasPrefix(line, "=== ") {
				said = append(said, line)
			}
			continue
		}
		switch m[2] {
		case "PASS":
			got.passed++
		case "SKIP":
			got.skipped++
		case "FAIL":
			got.failed[m[3]] = short(strings.Join(said[max(0, len(said)-8):], " "))
		}
		said = nil
	}
	for name := range got.failed {
		for i := strings.LastIndex(name, "/"); i > 0; i = strings.LastIndex(name[:i], "/") {
			delete(got.failed, name[:i])
		}
	}
	return got
}
