package pgurl

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PgxCalls counts the calls of pgx's parser, which is expensive, for tests of callers.
var PgxCalls atomic.Int64

// PoolConfig returns complete parameters as pgx reads them, whatever PGSERVICE
// names. pgx wants that service to exist even if p leaves nothing open, and takes
// no value of "service" for none.
func (p Params) PoolConfig() (*pgxpool.Config, error) {
	PgxCalls.Add(1)
	if os.Getenv("PGSERVICE") != "" && p["service"] == "" {
		// The environment must not change, not even for a moment: other goroutines
		// may start programs. So p names a service in a file of its own.
		file, err := writeService()
		defer os.Remove(file)
		if err != nil {
			return nil, fmt.Errorf("PGSERVICE cannot be set aside: %w", err)
		}
		p = maps.Clone(p)
		p["service"], p["servicefile"] = noService, file
	}
	config, err := pgxpool.ParseConfig(p.String())
	if err != nil {
		return nil, p.explain(err)
	}
	return config, nil
}

// noService is a service that exists and sets nothing.
const noService = "lakebase"

func writeService() (name string, err error) {
	file, err := os.CreateTemp("", "lakebase-service-*.conf")
	if err != nil {
		return "", err
	}
	_, err = file.WriteString("[" + noService + "]\n")
	return file.Name(), errors.Join(err, file.Close())
}

// explain makes one line of pgx's error, without the connection string that it
// repeats.
func (p Params) explain(err error) error {
	text := err.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+len("`: "):]
	}
	return errors.New(p.scrub(text))
}

// ConnConfig reads a connection string as it is written.
func ConnConfig(s string) (*pgx.ConnConfig, error) {
	config, err := poolConfig(s)
	if err != nil {
		return nil, err
	}
	return config.ConnConfig, nil
}

func poolConfig(s string) (*pgxpool.Config, error) {
	p, err := Parse(s)
	if err != nil {
		return nil, err
	}
	return p.PoolConfig()
}

// blank has a harmless value for whatever pgx would take from the environment
// or from files otherwise: PG* variables are meant for other programs.
const blank = "host=blank.invalid port=5432 user=blank dbname=blank sslmode=disable sslcertmode=disable sslnegotiation=postgres" +
	" channel_binding=disable require_auth='' sslrootcert='' sslcert='' sslkey='' passfile='' target_session_attrs=any" +
	" min_protocol_version=3.0 max_protocol_version=3.0 connect_timeout=0"

// Blank returns a configuration that the environment has influenced only in its
// run-time parameters (PGOPTIONS, PGTZ). pgx accepts only configurations from
// its own parser; the caller fills in where to connect, and how.
func Blank() (*pgxpool.Config, error) {
	config, err := poolConfig(blank)
	if err != nil {
		return nil, err
	}
	conn := config.ConnConfig
	conn.Host, conn.User, conn.Password, conn.Database, conn.Fallbacks = "", "", "", "", nil
	delete(conn.RuntimeParams, "application_name")
	return config, nil
}
