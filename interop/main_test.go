package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local"
)

const (
	user         = "dev@example.com"
	instance     = "my-instance" // the first one: it answers as localhost
	project      = "my-project"
	databaseName = "databricks_postgres"
)

var endpoint = "projects/" + project + "/branches/production/endpoints/primary"

// server is the one local Lakebase of all clients. Most tests run one after
// another, because they count the server's calls and logins.
var server *local.Server

// scratch is a directory that is removed after the last test.
var scratch string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	forgetOwnSettings()
	var err error
	if scratch, err = os.MkdirTemp("", "interop"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err = local.Start(ctx, local.Options{
		HostNames: local.MachineNames,
		User:      user,
		Instances: []string{instance, "second-instance"},
		Projects:  []string{project, "second-project"},
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the local Lakebase:", err)
		return 1
	}
	code := m.Run()
	if err := server.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the local Lakebase:", err)
		code = 1
	}
	results.print(os.Stdout)
	proxiedResults.print(os.Stdout)
	return code
}

// forgetOwnSettings removes settings of the machine's own workspace or database.
func forgetOwnSettings() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		own := name == "LAKEBASE_POSTGRES_BIN" // where PostgreSQL is on this machine
		for _, prefix := range []string{"DATABRICKS_", "PG", "LAKEBASE_", "NODE_", "ARM_", "ACTIONS_ID_TOKEN"} {
			if strings.HasPrefix(name, prefix) && !own {
				os.Unsetenv(name)
			}
		}
	}
	os.Setenv("DATABRICKS_CONFIG_FILE", os.DevNull)
}
