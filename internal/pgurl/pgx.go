package pgurl

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PoolConfig returns complete parameters as pgx reads them, whatever PGSERVICE
// names.
func (p Params) PoolConfig() (*pgxpool.Config, error) {
	config, err := parseWithoutService(p.String(), pgxpool.ParseConfig)
	if err != nil {
		return nil, p.explain(err)
	}
	return config, nil
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

// ConnConfig is [pgx.ParseConfig] without the service that PGSERVICE names. pgx
// wants that service to exist even if the string leaves nothing open, and takes
// no value of "service" for none.
func ConnConfig(s string) (*pgx.ConnConfig, error) { return parseWithoutService(s, pgx.ParseConfig) }

// blank has a harmless value for whatever pgx would take from the environment
// or from files otherwise: PG* variables are meant for other programs.
const blank = "host=blank.invalid port=5432 user=blank dbname=blank sslmode=disable sslcertmode=disable sslnegotiation=postgres" +
	" channel_binding=disable require_auth='' sslrootcert='' sslcert='' sslkey='' passfile='' target_session_attrs=any" +
	" min_protocol_version=3.0 max_protocol_version=3.0 connect_timeout=0"

// Blank returns a configuration that the environment has influenced only in its
// run-time parameters (PGOPTIONS, PGTZ). pgx accepts only configurations from
// its own parser; the caller fills in where to connect, and how.
func Blank() (*pgxpool.Config, error) {
	config, err := parseWithoutService(blank, pgxpool.ParseConfig)
	if err != nil {
		return nil, err
	}
	conn := config.ConnConfig
	conn.Host, conn.User, conn.Password, conn.Database, conn.Fallbacks = "", "", "", "", nil
	delete(conn.RuntimeParams, "application_name")
	return config, nil
}

// noService is a service that exists and sets nothing.
const noService = "lakebase"

func parseWithoutService[T any](s string, parse func(string) (T, error)) (config T, err error) {
	Calls.Pgx.Add(1)
	if os.Getenv("PGSERVICE") == "" {
		return parse(s)
	}
	// The environment must not change, not even for a moment: other goroutines
	// may start programs. So the string names a service in a file of its own.
	file, err := os.CreateTemp("", "lakebase-service-*.conf")
	if err != nil {
		return config, fmt.Errorf("PGSERVICE cannot be set aside: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString("[" + noService + "]\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return config, fmt.Errorf("PGSERVICE cannot be set aside: %w", err)
	}
	return parse(withService(s, noService, file.Name()))
}

// namesService matches a string that has a service of its own.
var namesService = regexp.MustCompile(`(?:^|[\s?&])service\s*=`)

// withService adds a service to s, unless s names one itself.
func withService(s, name, file string) string {
	if namesService.MatchString(s) {
		return s
	}
	if strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://") {
		head, query, _ := strings.Cut(s, "?")
		ours := url.Values{"service": {name}, "servicefile": {file}}
		return head + "?" + strings.TrimSuffix(strings.ReplaceAll(ours.Encode(), "+", "%20")+"&"+query, "&")
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return "service='" + name + "' servicefile='" + quote.Replace(file) + "' " + s
}
