// Package pgxparse lets pgx read a connection string without the service that
// PGSERVICE names. pgx wants that service to exist even where the string leaves
// nothing for it to say, and no value of "service" means none.
package pgxparse

import (
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Conn is [pgx.ParseConfig] without PGSERVICE.
func Conn(source string) (*pgx.ConnConfig, error) { return parse(source, pgx.ParseConfig) }

// Pool is [pgxpool.ParseConfig] without PGSERVICE.
func Pool(source string) (*pgxpool.Config, error) { return parse(source, pgxpool.ParseConfig) }

// emptyService is a service that exists and says nothing.
const emptyService = "lakebase"

func parse[T any](source string, read func(string) (T, error)) (config T, err error) {
	if os.Getenv("PGSERVICE") == "" {
		return read(source)
	}
	// The environment is not ours to change, not even for a moment: other
	// goroutines may start programs. So the service gets a file of its own.
	file, err := os.CreateTemp("", "lakebase-service-*.conf")
	if err != nil {
		return config, fmt.Errorf("PGSERVICE cannot be set aside: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString("[" + emptyService + "]\n")
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return config, fmt.Errorf("PGSERVICE cannot be set aside: %w", err)
	}
	return read(withService(source, emptyService, file.Name()))
}

// namesService matches a string that has a service of its own.
var namesService = regexp.MustCompile(`(?:^|[\s?&])service\s*=`)

// withService adds a service to source, unless source names one itself.
func withService(source, name, file string) string {
	if namesService.MatchString(source) {
		return source
	}
	if strings.HasPrefix(source, "postgres://") || strings.HasPrefix(source, "postgresql://") {
		head, query, _ := strings.Cut(source, "?")
		escaped := strings.ReplaceAll(url.QueryEscape(file), "+", "%20")
		ours := "service=" + name + "&servicefile=" + escaped
		return head + "?" + strings.TrimSuffix(ours+"&"+query, "&")
	}
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return "service='" + name + "' servicefile='" + quote.Replace(file) + "' " + source
}
