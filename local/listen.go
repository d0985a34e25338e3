package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/internal/resolver"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
)

// resolvesLocalhostNames reports whether programs on this machine resolve names
// under .localhost to loopback: those that use the system's resolver and those,
// like many in Go, that query the configured name servers themselves.
func resolvesLocalhostNames(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 150*time.Millisecond)
	defer cancel()
	name := "lakebase-" + uuid.NewString()[:8] + ".localhost"
	answers := make(chan bool, 2)
	for _, preferGo := range []bool{false, true} {
		go func() {
			addrs, err := resolver.NewClient(preferGo, "").LookupNetIP(ctx, "ip4", name)
			answers <- err == nil && len(addrs) > 0 && addrs[0].Unmap() == hosts.Loopback
		}()
	}
	return <-answers && <-answers
}

// listenMain opens the frontend's first address. "auto" prefers the default port
// of clients. If the machine has IPv6, the same port there is opened too: clients
// try both addresses of localhost, and must not reach another program.
func listenMain(want string, listen func(string) (net.Addr, error)) (netip.AddrPort, error) {
	switch want {
	case "":
		want = "127.0.0.1:0"
	case "auto":
		if !taken("[::1]:5432") {
			if addr, err := listenMain("127.0.0.1:5432", listen); err == nil {
				return addr, nil
			}
		}
		want = "127.0.0.1:0"
	}
	if err := requireLoopback("postgres address", want); err != nil {
		return netip.AddrPort{}, err
	}
	l, err := listen(want)
	if err != nil {
		return netip.AddrPort{}, addressError("postgres address", want, err)
	}
	addr, err := netip.ParseAddrPort(l.String())
	if err != nil {
		return netip.AddrPort{}, err
	}
	if addr.Addr() == hosts.Loopback {
		// It may fail: without IPv6, or if another program has a port that the
		// system has just chosen here.
		_, _ = listen(net.JoinHostPort("::1", fmt.Sprint(addr.Port())))
	}
	return addr, nil
}

// taken reports whether another program listens on addr.
func taken(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Is(err, syscall.EADDRINUSE)
	}
	l.Close()
	return false
}

// requireLoopback refuses addresses that other machines can reach: the server
// gives out valid credentials.
func requireLoopback(what, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %q is not host:port", what, addr)
	}
	if !hosts.IsLoopback(host) {
		return fmt.Errorf("%s %q is not on loopback: use 127.0.0.1", what, addr)
	}
	return nil
}

// addressError returns the error of a failed listen.
func addressError(what, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		_, port, _ := net.SplitHostPort(addr)
		return fmt.Errorf("%s %s: port %s is in use by another program: stop it, or choose another port (0 means any)", what, addr, port)
	}
	return fmt.Errorf("%s %s: %w", what, addr, err)
}
