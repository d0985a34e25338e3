package sqlscan

import (
	"strings"
	"testing"
)

func TestVacatedDatabase(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70)
	for text, want := range map[string]string{
		"DROP DATABASE dd": "dd",
		" ;/* a */ drop -- b\n database if exists DD;":                           "dd",
		`DROP DATABASE "My ""DB"`:                                                `My "DB`,
		"DROP DATABASE dd WITH (FORCE)":                                          "dd",
		"DROP DATABASE if":                                                       "if",
		"DROP DATABASE " + long:                                                  long[:63],
		`DROP DATABASE U&"d\0061"`:                                               "",
		"ALTER DATABASE dd RENAME TO ee":                                         "dd",
		"alter database Dd set tablespace fast":                                  "dd",
		"ALTER DATABASE dd SET work_mem = '4MB'":                                 "",
		"ALTER DATABASE dd OWNER TO rename":                                      "",
		"CREATE DATABASE dd TEMPLATE Orders":                                     "orders",
		`CREATE DATABASE dd WITH OWNER = me TEMPLATE = "Orders" ENCODING 'UTF8'`: "Orders",
		"CREATE DATABASE dd TEMPLATE 'Orders'":                                   "Orders",
		"CREATE DATABASE dd TEMPLATE DEFAULT":                                    "template1",
		"CREATE DATABASE dd;":                                                    "template1",
		"CREATE DATABASE template":                                               "template1",
		"DROP TABLE database":                                                    "",
		"SELECT 'DROP DATABASE dd'":                                              "",
		"":                                                                       "",
	} {
		if got := VacatedDatabase([]byte(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
