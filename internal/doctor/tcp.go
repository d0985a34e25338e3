package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase/internal/steps"
)

// address is one address of a server.
type address struct {
	server steps.Server
	ip     string
}

func (a address) String() string { return hostPort(a.ip, a.server.Port) }

func (a address) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.String())
}

func (a address) isLoopback() bool { return net.ParseIP(a.ip).IsLoopback() }

func (a address) isPrivate() bool {
	ip, err := netip.ParseAddr(a.ip)
	return err == nil && ip.IsPrivate()
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// socketsOnly skips a check of TCP or TLS where no server has either.
func socketsOnly(v *visit) string {
	for _, s := range v.servers {
		if !isSocket(s.Host) {
			return ""
		}
	}
	return "the host is a socket on this machine"
}

// checkTCP connects to every address, and closes the connections.
func checkTCP(ctx context.Context, v *visit) Result {
	ctx, cancel := v.within(ctx)
	defer cancel()
	errs := make([]error, len(v.addresses))
	details := make([]Detail, len(v.addresses))
	var dials sync.WaitGroup
	for i, a := range v.addresses {
		dials.Go(func() {
			began := time.Now()
			conn, err := a.dial(ctx)
			if err == nil {
				err = conn.Close()
			}
			errs[i] = err
			details[i] = Detail{Name: a.String(), Value: fmt.Sprintf("%s (%s)", outcome(err), rounded(time.Since(began)))}
		})
	}
	dials.Wait()
	var silent, first error
	var names []string
	for i, a := range v.addresses {
		err := errs[i]
		if err == nil || errors.Is(err, syscall.ECONNRESET) { // the next check finds out what cuts the connection
			v.reached = append(v.reached, a)
			names = append(names, a.String())
			continue
		}
		if first == nil {
			first = err
		}
		if isTimeout(err) {
			silent = err
		}
	}
	switch {
	case len(v.reached) == 0 && silent != nil:
		return v.explainSilence(silent, details)
	case len(v.reached) == 0:
		return v.explainDial(first, details)
	}
	r := found(details, "%s answers", strings.Join(names, ", "))
	if silent != nil {
		return r.warn(problem("one of the addresses does not answer").
			means("programs that try it first wait for a time limit before they go on to the next").
			do("have the network let this machine through to each address of the host"))
	}
	return r
}

// outcome is the part of a dial's error that differs between failures.
func outcome(err error) string {
	var number syscall.Errno
	switch {
	case err == nil:
		return "answers"
	case isTimeout(err):
		return "no answer"
	case errors.Is(err, syscall.ECONNRESET):
		return "answers, and cuts the connection"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// explainSilence explains a server that does not answer.
func (v *visit) explainSilence(err error, details []Detail) Result {
	server := v.addresses[0].server
	at := hostPort(server.Host, server.Port)
	p := problem("%s does not answer", at).
		means("packets go there and none come back: a firewall or security group between here and there drops them").
		do("have the network let this machine out to " + at + " over TCP")
	if v.addresses[0].isPrivate() {
		p.Meaning = "the address is a private one, and this machine is not in its network, or a firewall drops the packets"
	}
	return v.orUsualPort(p).failed(v.refused(err, server.Host), details...)
}

// explainDial explains a server that no connection reaches.
func (v *visit) explainDial(err error, details []Detail) Result {
	server := v.addresses[0].server
	p := problem("no connection to %s: %s", hostPort(server.Host, server.Port), outcome(err))
	if errors.Is(err, syscall.ECONNREFUSED) {
		p = p.means("the machine was reached, or its network, and nothing listens at that port").
			do("check that the instance runs, and look its host up again", v.again())
	} else {
		p = p.means("there is no route to that address from here, or no network at all").
			do("check this machine's network, VPN included")
	}
	switch {
	case v.isLocalLakebase():
		p = p.do("see whether the local Lakebase runs, and at which port", "lakebase local status")
	case v.isStatic():
		p = p.do("start the server, or correct host and port in the URL")
	}
	return v.orUsualPort(p).failed(v.refused(err, server.Host), details...)
}

// orUsualPort advises to unset a port that is not the usual one, before
// anything else.
func (v *visit) orUsualPort(r Result) Result {
	if variable := v.variable("port"); variable != "" && !v.isStatic() && !v.isLocalLakebase() && v.addresses[0].server.Port != 5432 {
		return r.do("use Lakebase's port, 5432: "+variable+" sets another", "unset "+variable)
	}
	return r
}
