package resultformat_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/internal/resultformat"
)

// null stands for NULL in the tests' rows.
const null = "<NULL>"

func row(values ...string) [][]byte {
	r := make([][]byte, len(values))
	for i, v := range values {
		if v != null {
			r[i] = []byte(v)
		}
	}
	return r
}

// write returns a result of these columns and rows in a format.
func write(t *testing.T, f resultformat.Format, columns []resultformat.Column, rows ...[][]byte) string {
	t.Helper()
	var b strings.Builder
	w := resultformat.New(f, &b)
	must(t, w.Begin(columns))
	for _, r := range rows {
		must(t, w.Row(r))
	}
	must(t, w.End())
	return b.String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func texts(names ...string) []resultformat.Column {
	columns := make([]resultformat.Column, len(names))
	for i, n := range names {
		columns[i] = resultformat.Column{Name: n, Type: 25}
	}
	return columns
}

func TestText(t *testing.T) {
	columns := []resultformat.Column{{Name: "id", Type: 23}, {Name: "name", Type: 25}, {Name: "n", Type: 25}}
	got := write(t, resultformat.Text, columns,
		row("1", "apple", "x"), row("1000", null, ""), row("2", "漢字", "a\nb"), row("3", "e\u0301\x1b[31m", "t\tt"))
	want := strings.Join([]string{
		"  id  |   name    |     n     ",
		"------+-----------+-----------",
		"    1 | apple     | x",
		" 1000 |           | ",
		"    2 | 漢字      | a        +",
		"      |           | b",
		"    3 | e\u0301\\x1B[31m | t       t",
		"",
	}, "\n")
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTextWiderThanTheSampleShiftsItsRowOnly(t *testing.T) {
	var b strings.Builder
	w := resultformat.New(resultformat.Text, &b)
	must(t, w.Begin(texts("a", "b")))
	for range 1000 {
		must(t, w.Row(row("xx", "y")))
	}
	if !strings.HasPrefix(b.String(), " a  | b \n----+---\n xx | y\n") {
		t.Fatalf("1000 rows are still held back: %.100q", b.String())
	}
	must(t, w.Row(row("wider", "y")))
	must(t, w.Row(row("xx", "y")))
	must(t, w.End())
	if !strings.HasSuffix(b.String(), " wider | y\n xx | y\n") {
		t.Errorf("%q", b.String()[b.Len()-40:])
	}
}

func TestABlankLineSeparatesTextResults(t *testing.T) {
	var b strings.Builder
	w := resultformat.New(resultformat.Text, &b)
	for range 2 {
		must(t, w.Begin(texts("a")))
		must(t, w.End())
	}
	if want := " a \n---\n\n a \n---\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestCSV(t *testing.T) {
	got := write(t, resultformat.CSV, texts("a", `say "b"`), row("1", null), row("", "x,y"), row("two\nlines", `"`))
	want := "a,\"say \"\"b\"\"\"\n1,\n\"\",\"x,y\"\n\"two\nlines\",\"\"\"\"\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := write(t, resultformat.CSV, texts("a"), row(`\.`)); got != "a\n\"\\.\"\n" {
		t.Errorf("got %q: COPY would take it for the end", got)
	}
}

func TestJSON(t *testing.T) {
	columns := []resultformat.Column{{"b", 16}, {"i", 20}, {"f", 701}, {"n", 1700}, {"j", 3802}, {"t", 25}, {"a", 1007}, {"s", 1009}, {"m", 790}}
	rows := [][][]byte{
		row("t", "9007199254740993", "1e+20", "1.50", `{"a": [1, 2]}`, "q\"\\\n\x01é", "{{1,NULL},{2,3}}", `{a,"b \"c\\",NULL,"null",""}`, "$1.00"),
		row("f", null, "NaN", "-Infinity", null, "\xff", "[0:1]={4,5}", "{}", null),
	}
	got := write(t, resultformat.JSON, columns, rows...)
	want := `[{"b":true,"i":9007199254740993,"f":1e+20,"n":1.50,"j":{"a":[1,2]},"t":"q\"\\\n\u0001é","a":[[1,null],[2,3]],"s":["a","b \"c\\",null,"null",""],"m":"$1.00"},` +
		`{"b":false,"i":null,"f":"NaN","n":"-Infinity","j":null,"t":"\ufffd","a":[4,5],"s":[],"m":null}]` + "\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("that is not JSON")
	}
	if got := write(t, resultformat.JSON, columns); got != "[]\n" {
		t.Errorf("no rows: %q", got)
	}
	lines := strings.Split(strings.TrimSuffix(write(t, resultformat.NDJSON, columns, rows...), "\n"), "\n")
	if "["+strings.Join(lines, ",")+"]\n" != want {
		t.Errorf("as lines: %q", lines)
	}
}

func TestJSONKeysAreDistinct(t *testing.T) {
	got := write(t, resultformat.JSON, texts("a", "a", "a_2", "a"), row("1", "2", "3", "4"))
	if want := `[{"a":"1","a_3":"2","a_2":"3","a_4":"4"}]` + "\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestMemoryDoesNotGrowWithTheRows(t *testing.T) {
	for _, f := range []resultformat.Format{resultformat.Text, resultformat.JSON, resultformat.NDJSON, resultformat.CSV} {
		w := resultformat.New(f, io.Discard)
		must(t, w.Begin(texts("a", "b")))
		r := row(strings.Repeat("x", 1000), "y")
		feed := func(n int) uint64 {
			for range n {
				must(t, w.Row(r))
			}
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := feed(2000)
		if after := feed(5000); after > before+1<<20 {
			t.Errorf("%s: 5 MB of rows left %d KiB more in memory", f, (after-before)>>10)
		}
		runtime.KeepAlive(w)
	}
}

func TestTextSampleIsBoundedInBytes(t *testing.T) {
	var b bytes.Buffer
	w := resultformat.New(resultformat.Text, &b)
	must(t, w.Begin(texts("a")))
	for range 3 {
		must(t, w.Row(row(strings.Repeat("x", 1<<19))))
	}
	if b.Len() == 0 {
		t.Error("1.5 MiB are held back")
	}
}

func FuzzFormats(f *testing.F) {
	f.Add("a", "{1,2}", uint32(1007))
	f.Add("x\ny", `{"a": 1}`, uint32(3802))
	f.Add("\x1b", `{"\\"}`, uint32(1009))
	f.Add(`"`, "{}}", uint32(16))
	f.Add("0", "00", uint32(26))
	f.Fuzz(func(t *testing.T, name, value string, oid uint32) {
		columns := []resultformat.Column{{Name: name, Type: oid}, {Name: name, Type: 25}}
		r := row(value, value)
		var decoded []map[string]any
		out := write(t, resultformat.JSON, columns, r, r)
		in := json.NewDecoder(strings.NewReader(out))
		in.UseNumber() // those of a server are as long as they like
		if err := in.Decode(&decoded); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		if rest, err := io.ReadAll(in.Buffered()); err != nil || string(rest) != "\n" {
			t.Fatalf("%q follows what is decoded, %v", rest, err)
		}
		if len(decoded) != 2 || len(decoded[0]) != 2 || strings.Count(out, "\n") != 1 {
			t.Fatalf("not two objects of two keys on one line: %s", out)
		}
		if utf8.ValidString(value) && utf8.ValidString(name) {
			if s := decoded[0][strings.ToValidUTF8(name, "")+"_2"]; s != value && value != null {
				t.Fatalf("%q became %q", value, s)
			}
			records, err := csv.NewReader(strings.NewReader(write(t, resultformat.CSV, columns, r))).ReadAll()
			// encoding/csv makes one line break of two bytes.
			if plain := strings.ReplaceAll(value, "\r\n", "\n"); err != nil || len(records) != 2 || value != null && records[1][1] != plain {
				t.Fatalf("%q became %q, %v", value, records, err)
			}
		}
		for _, r := range write(t, resultformat.Text, columns, r) {
			if r < ' ' && r != '\n' || r == 0x7f {
				t.Fatalf("control character %q", r)
			}
		}
	})
}
