package proxy

import (
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
	"github.com/lakebase-go/lakebase/internal/txpool"
)

// Kinds of replication.
const (
	replicationNone     = "none"
	replicationLogical  = "logical"
	replicationPhysical = "physical"
)

// replication returns the kind that a client asks for in its startup packet. A
// connection for replication cannot be shared.
func replication(startup *pgwire.Startup) string {
	switch strings.ToLower(startup.Get("replication")) {
	case "", "0", "false", "off", "no", "f", "n":
		return replicationNone
	case "database":
		return replicationLogical
	}
	return replicationPhysical
}

// startupSettings returns the settings in a startup packet. Of two with the same
// name the later one counts, and options come first.
func startupSettings(startup *pgwire.Startup) (txpool.Settings, error) {
	options, err := sqlscan.ParseOptions(startup.Get("options"))
	if err != nil {
		return txpool.Settings{}, err
	}
	for _, p := range startup.Parameters {
		switch {
		case p.Name == "user", p.Name == "database", p.Name == "replication", p.Name == "options":
		case strings.HasPrefix(p.Name, "_pq_."):
		default:
			options = append(options, sqlscan.Option{Name: p.Name, Value: p.Value})
		}
	}
	return txpool.NewSettings(options)
}

// forwardedParameters returns the parameters of a startup packet that the
// server receives as they are. The proxy decides about the user and the
// database, and pgx about the protocol.
func forwardedParameters(startup *pgwire.Startup) map[string]string {
	params := make(map[string]string, len(startup.Parameters))
	for _, p := range startup.Parameters {
		if p.Name != "user" && p.Name != "database" && !strings.HasPrefix(p.Name, "_pq_.") {
			params[p.Name] = p.Value
		}
	}
	return params
}
