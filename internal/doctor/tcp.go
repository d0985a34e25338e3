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
)

// checkTCP connects to every address, and hangs up.
func checkTCP(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	errs := make([]error, len(v.addresses))
	took := make([]time.Duration, len(v.addresses))
	var dials sync.WaitGroup
	for i, a := range v.addresses {
		dials.Go(func() {
			began := time.Now()
			conn, err := dial(ctx, a)
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
		said := "answers"
		switch {
		case errs[i] == nil:
			v.reached = append(v.reached, a)
			names = append(names, a.String())
		case errors.Is(errs[i], syscall.ECONNRESET):
			// It was there: what cuts the connection is for the next check.
			v.reached = append(v.reached, a)
			names = append(names, a.String())
			said = "answers, and cuts the connection"
		default:
			said = reason(errs[i])
			first = cmpError(first, errs[i])
			if isTimeout(errs[i]) {
				silent = errs[i]
			}
		}
		details = append(details, Detail{Name: a.String(), Value: fmt.Sprintf("%s (%s)", said, rounded(took[i]))})
	}
	if len(v.reached) == 0 {
		return v.unreached(cmpError(silent, first), silent != nil, details)
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

func cmpError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (a address) String() string {
	return net.JoinHostPort(a.ip, strconv.Itoa(int(a.server.Port)))
}

func dial(ctx context.Context, a address) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.String())
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// reason is the part of a network error that tells.
func reason(err error) string {
	var number syscall.Errno
	switch {
	case isTimeout(err):
		return "no answer"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}

// unreached explains a server that no connection gets to.
func (v *visit) unreached(err error, silent bool, details []Detail) finding {
	server := v.addresses[0].server
	at := net.JoinHostPort(server.Host, strconv.Itoa(int(server.Port)))
	refused := v.steps.Refused(err, server.Host, v.user(), v.database())
	if silent {
		a := advice{
			meaning: "packets go there and nothing comes back: a firewall or security group between here and there drops them",
			action:  "have the network let this machine out to " + at + " over TCP",
		}
		if ip, err := netip.ParseAddr(v.addresses[0].ip); err == nil && ip.IsPrivate() {
			a.meaning = "the address is a private one, and this machine is not in its network, or a firewall drops the packets"
		}
		return fail(refused, at+" does not answer", v.otherPort(a), details...)
	}
	a := advice{
		meaning: "the machine was reached, or its network, and nothing listens at that port",
		action:  "check that the instance runs, and look its host up anew", command: v.again(),
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		a.meaning = "there is no way to that address from here: no route, or no network at all"
		a.action, a.command = "check this machine's network, VPN included", ""
	}
	switch {
	case v.isLocalLakebase():
		a.action, a.command = "see whether the local Lakebase runs, and at which port", "lakebase local status"
	case v.isStatic():
		a.action, a.command = "start the server, or correct host and port in the URL", ""
	}
	return fail(refused, fmt.Sprintf("no connection to %s: %s", at, reason(err)), v.otherPort(a), details...)
}

// otherPort doubts a port that is not the usual one first.
func (v *visit) otherPort(a advice) advice {
	if variable := v.variable("port"); variable != "" && !v.isStatic() && !v.isLocalLakebase() && v.addresses[0].server.Port != 5432 {
		a.action = "use the port that Lakebase has, 5432: " + variable + " sets another"
		a.command = "unset " + variable
	}
	return a
}
