package workspace

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// checkHost refuses hosts that are not URLs, or to which the login would be sent
// without TLS.
func checkHost(host string) error {
	if host == "" {
		return nil
	}
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	u, err := url.Parse(host)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("the workspace's host is not a URL like https://name.cloud.databricks.com")
	case inTheClear(u):
		return errors.New("the workspace's host must begin with https://: plain http exposes the login to the network")
	}
	return nil
}

// inTheClear reports whether requests to u can be read on the network. Those to a
// local Lakebase stay on this machine.
func inTheClear(u *url.URL) bool {
	if u.Scheme == "https" {
		return false
	}
	ip, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() != "localhost" && (err != nil || !ip.Unmap().IsLoopback())
}
