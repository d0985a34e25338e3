package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestReadPsqlArguments(t *testing.T) {
	for line, want := range map[string]psqlArguments{
		"":                                  {},
		"-c|select 1":                       {},
		"-XAtc|select 1|-d|db":              {database: "db"},
		"db|user":                           {database: "db", user: "user"},
		"-d|db|user":                        {database: "db", user: "user"},
		"db|-Xq|user|extra":                 {database: "db", user: "user"},
		"-h|a.example|-p|5433|-U|u|db":      {host: "a.example", port: "5433", user: "u", database: "db"},
		"-ha.example|-p5433|-Uu|-ddb":       {host: "a.example", port: "5433", user: "u", database: "db"},
		"--host=a|--port|1|--user=u|--db=d": {host: "a", port: "1", user: "u", database: "d"},
		"--ho|a|--usern=u":                  {host: "a", user: "u"},
		"-c|-h|x":                           {database: "x"}, // -h is what -c runs
		"-v|a=b|-P|pager|--set|x=y":         {},
		"-f|host=x":                         {},
		"--|-h":                             {database: "-h"},
		"-l":                                {database: "postgres"},
		"-tl|-d|x":                          {database: "x"},
		"--list":                            {database: "postgres"},
		"-V":                                {quits: true},
		"-?":                                {quits: true},
		"--help=variables":                  {quits: true},
		"--version":                         {quits: true},
		"--cluster|15/main":                 {cluster: "15/main"},
		"--echo|x":                          {database: "x"}, // ambiguous: psql refuses
		"-d|host=a port=1 user='x y' dbname=d\\ b": {host: "a", port: "1", user: "x y", database: "d b",
			params: map[string]string{"host": "a", "port": "1", "user": "x y", "dbname": "d b"}},
		"-h|b|host=a": {host: "a", params: map[string]string{"host": "a"}},
		"postgresql://u:p@a:1/d?sslmode=disable&host=b": {host: "b", port: "1", user: "u", database: "d",
			params: map[string]string{"host": "b", "port": "1", "user": "u", "password": "p", "dbname": "d", "sslmode": "disable"}},
		"postgres:///d":       {database: "d", params: map[string]string{"dbname": "d"}},
		"postgres://a:1,b:2/": {host: "a:1,b", port: "2", params: map[string]string{"host": "a:1,b", "port": "2"}},
		"postgres://%2Ftmp/":  {unclear: true},
		"-d|host='a":          {unclear: true},
		"-d|= x":              {unclear: true},
	} {
		var args []string
		if line != "" {
			args = strings.Split(line, "|")
		}
		if got := readPsqlArguments(args); !reflect.DeepEqual(got, want) {
			t.Errorf("%q\ngot  %+v\nwant %+v", args, got, want)
		}
	}
}

// The token goes to the target's server over TLS that is no weaker than asked
// for, and nowhere else.
func TestPsqlArgumentsElsewhere(t *testing.T) {
	for line, want := range map[string]string{
		"":                         "",
		"db|user":                  "",
		"-h|DB.example.":           "",
		"-h|db.example|-p|5432":    "",
		"-h|other.example":         "host other.example",
		"-h|db.example,b":          "host db.example,b",
		"-h|/tmp":                  "host /tmp",
		"-p|5433":                  "port 5433",
		"--cluster|15/main":        "cluster 15/main",
		"postgres://db.example/d":  "",
		"postgres://u:p@b/d":       "host b",
		"postgres://db.example:1/": "port 1",
		"user=x options='-c a=b' connect_timeout=3": "",
		"hostaddr=192.0.2.1":                        "hostaddr",
		"service=x":                                 "service",
		"sslmode=verify-full":                       "",
		"sslmode=require":                           "sslmode require",
		"sslmode=disable":                           "sslmode disable",
		"sslmode=typo":                              "sslmode typo",
		"sslrootcert=/tmp/mine":                     "sslrootcert",
		"gssencmode=prefer":                         "gssencmode",
		"postgres:///?host=b":                       "host b",
		"postgres://db.example:1,y:2/":              "host db.example:1,y",
		"postgres://%2Ftmp/":                        "a connection string that cannot be read here",
	} {
		var args []string
		if line != "" {
			args = strings.Split(line, "|")
		}
		if got := readPsqlArguments(args).elsewhere("db.example", "5432", "verify-full"); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
	if got := readPsqlArguments([]string{"sslmode=require"}).elsewhere("h", "1", "require"); got != "" {
		t.Errorf("the same sslmode leads elsewhere: %q", got)
	}
}

func FuzzReadPsqlArguments(f *testing.F) {
	f.Add("-h|x|--d=postgres://a/b|-V|--|c")
	f.Add("host='a\\' b'|-")
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "|")
		asked := readPsqlArguments(args)
		if asked.elsewhere("h", "1", "verify-full") != "" && asked.host+asked.port+asked.cluster == "" && asked.params == nil && !asked.unclear {
			t.Errorf("%q leads elsewhere for no reason", args)
		}
	})
}
