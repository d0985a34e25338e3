package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

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
func checkTCP(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	errs := make([]error, len(v.addresses))
	took := make([]time.Duration, len(v.addresses))
	var dials sync.WaitGroup
	for i, a := range v.addresses {
		dials.Go(func() {
			began := time.Now()
			conn, err := a.dial(ctx)
			if err == nil {
				err = conn.Close()
			}
			errs[i], took[i] = err, time.Since(began)
		})
	}
	dials.Wait()
	var details []Detail
	var silent, first error
	var names []string
	for i, a := range v.addresses {
		result := "answers"
		switch err := errs[i]; {
		case err == nil, errors.Is(err, syscall.ECONNRESET):
			v.reached = append(v.reached, a)
			names = append(names, a.String())
			if err != nil { // the next check finds out what cuts the connection
				result = "answers, and cuts the connection"
			}
		default:
			result = reason(err)
			if first == nil {
				first = err
			}
			if isTimeout(err) {
				silent = err
			}
		}
		details = append(details, Detail{Name: a.String(), Value: fmt.Sprintf("%s (%s)", result, rounded(took[i]))})
	}
	switch {
	case len(v.reached) == 0 && silent != nil:
		return v.explainSilence(silent, details)
	case len(v.reached) == 0:
		return v.explainDial(first, details)
	}
	f := found(details, "%s answers", strings.Join(names, ", "))
	if silent != nil {
		return f.warn("one of the addresses does not answer", advice{
			meaning: "programs that try it first wait for a time limit before they go on to the next",
			action:  "have the network let this machine through to each address of the host",
		})
	}
	return f
}

// explainSilence explains a server that does not answer.
func (v *visit) explainSilence(err error, details []Detail) finding {
	server := v.addresses[0].server
	at := hostPort(server.Host, server.Port)
	a := advice{
		meaning: "packets go there and none come back: a firewall or security group between here and there drops them",
		action:  "have the network let this machine out to " + at + " over TCP",
	}
	if ip, err := netip.ParseAddr(v.addresses[0].ip); err == nil && ip.IsPrivate() {
		a.meaning = "the address is a private one, and this machine is not in its network, or a firewall drops the packets"
	}
	return fail(v.refused(err, server.Host), at+" does not answer", v.orUsualPort(a), details...)
}

// explainDial explains a server that no connection reaches.
func (v *visit) explainDial(err error, details []Detail) finding {
	server := v.addresses[0].server
	a := advice{
		meaning: "the machine was reached, or its network, and nothing listens at that port",
		action:  "check that the instance runs, and look its host up again", command: v.again(),
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		a = advice{
			meaning: "there is no route to that address from here, or no network at all",
			action:  "check this machine's network, VPN included",
		}
	}
	switch {
	case v.isLocalLakebase():
		a.action, a.command = "see whether the local Lakebase runs, and at which port", "lakebase local status"
	case v.isStatic():
		a.action, a.command = "start the server, or correct host and port in the URL", ""
	}
	return fail(v.refused(err, server.Host), fmt.Sprintf("no connection to %s: %s", hostPort(server.Host, server.Port), reason(err)), v.orUsualPort(a), details...)
}

// orUsualPort advises to unset a port that is not the usual one, before
// anything else.
func (v *visit) orUsualPort(a advice) advice {
	if variable := v.variable("port"); variable != "" && !v.isStatic() && !v.isLocalLakebase() && v.addresses[0].server.Port != 5432 {
		a.action = "use Lakebase's port, 5432: " + variable + " sets another"
		a.command = "unset " + variable
	}
	return a
}
