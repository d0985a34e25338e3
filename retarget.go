package lakebase

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// retarget returns the settings that the value of a target setting stands for
// where that is another kind of target:
//
//   - a host in place of an instance or endpoint, which is what a Databricks App
//     gets for a database resource of the one kind,
//   - an endpoint's path with a database in it,
//   - a URL to a host of the service without a password, which the service's own
//     documentation shows for logins with tokens.
//
// Otherwise it returns nil. The setting's own check reports what is malformed.
func retarget(setting, value string) (targetParser, error) {
	p := targetParser{}
	switch {
	case setting == "url":
		return retargetURL(value)
	case isServiceHost(value), setting == "endpoint" && strings.Contains(value, "/databases/"):
		if p.parseAddress(strings.Split(value, "/"), false) == nil {
			return p, nil
		}
	}
	return nil, nil
}

// decidedByToken are libpq's parameters about how to log in, which a login with a
// token over verified TLS leaves no choice of.
var decidedByToken = []string{"channel_binding", "require_auth", "sslcertmode", "sslnegotiation", "sslsni"}

func retargetURL(value string) (targetParser, error) {
	given, err := pgurl.Parse(value)
	if err != nil || !isServiceHost(given["host"]) || len(given.Hosts()) > 1 || given["password"] != "" || os.Getenv("PGPASSWORD") != "" {
		return nil, nil
	}
	full, err := given.Complete(pgurl.Defaults{})
	if err != nil {
		return nil, nil
	}
	if config, err := full.PoolConfig(); err != nil || config.ConnConfig.Password != "" { // of a password file
		return nil, nil
	}
	if given, err = given.Translate(); err != nil {
		return nil, nil
	}
	p := targetParser{}
	for name, value := range given {
		switch {
		case slices.Contains(paramNames(), name):
			p.set(name, value)
		case name == sessionAttrs && readOnlyModes[value] != "":
			p.set("read_only", readOnlyModes[value])
		case !slices.Contains(decidedByToken, name):
			return nil, fmt.Errorf("%s does not go with a URL without a password, which logs in with a token: drop it (PGOPTIONS has settings of the session)", name)
		}
	}
	return p, nil
}
