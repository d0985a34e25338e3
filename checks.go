package lakebase

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/lakebase-go/lakebase/internal/pgurl"
	"github.com/lakebase-go/lakebase/internal/redact"
)

// Checks of settings. Their errors state what would be right; the caller adds the
// setting and its value.

func checkPort(v string) error {
	var port uint16
	return portValue(&port).Set(v)
}

// checkSSLMode allows libpq's weaker modes with a static URL: it may lead to
// any Postgres server, and its password is the user's own.
func (c *Config) checkSSLMode(v string) error {
	switch {
	case c.URL != "":
		return pgurl.CheckSSLMode(v)
	case slices.Contains(secureModes, v):
		return nil
	case slices.Contains([]string{"disable", "allow", "prefer"}, v):
		return errors.New("could send the token in plain text: want verify-full (require verifies too)")
	}
	return fmt.Errorf("want one of %s", strings.Join(secureModes, ", "))
}

// secureModes are what a login with a token may use.
var secureModes = []string{"verify-full", "verify-ca", "require", pgurl.InsecureSkipVerify}

// checkIdentifier allows any Postgres name that a startup packet can carry.
func checkIdentifier(v string) error {
	if len(v) > 255 {
		return errors.New("too long for a name in Postgres")
	}
	return checkPrintable(v)
}

func checkPrintable(v string) error {
	if r, found := firstNot(v, unicode.IsPrint); found {
		return fmt.Errorf("%q does not belong here", r)
	}
	return nil
}

// checkServer allows a name server: an address or a host name, with a port
// where it is not 53.
func checkServer(s string) error {
	host := s
	if _, err := netip.ParseAddr(s); err != nil {
		if h, port, err := net.SplitHostPort(s); err == nil {
			if checkPort(port) != nil {
				return fmt.Errorf("the port of %s is not a number from 1 to 65535", redact.Quote(s))
			}
			host = h
		}
	}
	if _, err := netip.ParseAddr(host); err == nil || pgurl.IsHostName(host) {
		return nil
	}
	return fmt.Errorf("%s is no name server: want host or host:port", redact.Quote(s))
}

// firstNot returns the first rune of v that is not allowed.
func firstNot(v string, allowed func(rune) bool) (rune, bool) {
	for _, r := range v {
		if !allowed(r) {
			return r, true
		}
	}
	return 0, false
}
