package sqlscan

import (
	"slices"
	"strings"
	"testing"
)

var optionTests = []struct {
	options string
	want    []Option
	err     string
}{
	{options: ""},
	{options: " \t\n"},
	{options: "-c a=b", want: []Option{{"a", "b"}}},
	{options: "-ca=b", want: []Option{{"a", "b"}}},
	{options: "--a=b", want: []Option{{"a", "b"}}},
	{options: " -c  a=b\t--work-mem=1MB\n-cx.y=z ", want: []Option{{"a", "b"}, {"work_mem", "1MB"}, {"x.y", "z"}}},
	{options: "-c a=", want: []Option{{"a", ""}}},
	{options: "-c a=b=c", want: []Option{{"a", "b=c"}}},
	{options: `-c a=b\ c\\d\e`, want: []Option{{"a", `b c\de`}}},
	{options: `-c\ a=b`, err: "names no setting"},
	{options: "-c search_path=a,\\ b -c search_path=c", want: []Option{{"search_path", "a, b"}, {"search_path", "c"}}},
	{options: `-c a=b\`, want: []Option{{"a", "b"}}},
	{options: "-c a=-c -c b=--x=y", want: []Option{{"a", "-c"}, {"b", "--x=y"}}},
	{options: "-c Work_Mem=1MB", want: []Option{{"Work_Mem", "1MB"}}},
	{options: "-c a=\u00a0\u2003", want: []Option{{"a", "\u00a0\u2003"}}},
	{options: "-c", err: "-c has no name=value"},
	{options: "-c a", err: `"-c a" has no value`},
	{options: "-c a = b", err: "has no value"},
	{options: "--", err: "has no value"},
	{options: "--a", err: `"--a" has no value`},
	{options: "--=b", err: "names no setting"},
	{options: "-c =b", err: "names no setting"},
	{options: "-c a;b=c", err: "names no setting"},
	{options: "-c a..b=c", err: "names no setting"},
	{options: "-c 1a=c", err: "names no setting"},
	{options: "-c a=b\x00", err: "zero byte"},
	{options: "-S 1000", err: `"-S" is not supported`},
	{options: "-e", err: "not supported"},
	{options: "endpoint=x", err: `"endpoint=x" is not supported; use -c name=value`},
	{options: `\`, err: "not supported"},
}

func TestParseOptions(t *testing.T) {
	for _, tt := range optionTests {
		got, err := ParseOptions(tt.options)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("ParseOptions(%q) = %q, %v; want error %q", tt.options, got, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("ParseOptions(%q) = %q, %v; want %q", tt.options, got, err, tt.want)
		}
	}
}

// formatOptions is the reverse of ParseOptions.
func formatOptions(options []Option) string {
	var b strings.Builder
	for i, o := range options {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("-c ")
		b.WriteString(o.Name)
		b.WriteByte('=')
		for j := range len(o.Value) {
			if c := o.Value[j]; c == '\\' || classOf[c] == spaceByte {
				b.WriteByte('\\')
			}
			b.WriteByte(o.Value[j])
		}
	}
	return b.String()
}

func TestFormatOptions(t *testing.T) {
	for _, tt := range []struct {
		options []Option
		want    string
	}{
		{nil, ""},
		{[]Option{{"a", ""}}, "-c a="},
		{[]Option{{"a", "x y"}, {"b.c", `d\e`}}, `-c a=x\ y -c b.c=d\\e`},
	} {
		if got := formatOptions(tt.options); got != tt.want {
			t.Errorf("formatOptions(%q) = %q, want %q", tt.options, got, tt.want)
		}
	}
}
