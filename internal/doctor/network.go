package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lakebase-go/lakebase/internal/resolver"
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

// parse returns the zero address for a name, which is of no kind.
func parse(ip string) netip.Addr {
	addr, _ := netip.ParseAddr(ip)
	return addr
}

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// onlySockets is why there is no network to check.
const onlySockets = "the host is a socket on this machine"

// isSocket reports whether host is the directory of a Unix socket.
func isSocket(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }

func isAddress(host string) bool { return parse(host).IsValid() }

// nothingToResolve takes the hosts that are addresses, and skips the check if
// no host is a name.
func nothingToResolve(v *visit) (why string) {
	why = onlySockets
	names := false
	for _, s := range v.servers {
		switch {
		case isAddress(s.Host):
			v.addresses = append(v.addresses, address{s, s.Host})
			why = "the host is an address"
		case !isSocket(s.Host):
			names = true
		}
	}
	if names {
		return ""
	}
	return why
}

// checkDNS looks every host up by each resolver of the library on its own.
func checkDNS(ctx context.Context, v *visit) Result {
	ctx, cancel := v.within(ctx)
	defer cancel()
	var failed *lookup
	var details []Detail
	var fallback string
	for _, s := range v.servers {
		if isSocket(s.Host) || isAddress(s.Host) {
			continue
		}
		answers := lookUpEverywhere(ctx, v.steps.Resolvers, s.Host)
		for _, a := range answers {
			details = append(details, a.detail())
		}
		first := slices.IndexFunc(answers, func(a lookup) bool { return a.err == nil })
		if first < 0 {
			if failed == nil {
				failed = mostTelling(answers)
			}
			continue
		}
		if first > 0 {
			fallback = answers[first].resolver
		}
		for _, ip := range answers[first].addrs {
			v.addresses = append(v.addresses, address{s, ip})
		}
	}
	if len(v.addresses) == 0 {
		return v.explainLookup(*failed, details)
	}
	r := found(details, "%s", v.addressList())
	if failed != nil {
		return r.warn(problem("one of the hosts does not resolve: %s", failed.host).do("correct the URL, or take that host out of it"))
	}
	if fallback != "" {
		return r.warn(problem("the system's resolver does not know %s; %s does", v.servers[0].Host, resolverName(fallback)).
			means("this library asks the others by itself; programs that do not will not find the host").
			do("repair the system's resolver, or let other programs connect through lakebase proxy"))
	}
	return r
}

// lookup is the result of one resolver for one host.
type lookup struct {
	resolver string
	host     string
	addrs    []string
	err      error
	took     time.Duration
}

// lookUpEverywhere asks every resolver at once.
func lookUpEverywhere(ctx context.Context, resolvers []resolver.Upstream, host string) []lookup {
	answers := make([]lookup, len(resolvers))
	var lookups sync.WaitGroup
	for i, r := range resolvers {
		lookups.Go(func() {
			began := time.Now()
			addrs, err := r.Lookup(ctx, host)
			if err == nil && len(addrs) == 0 {
				err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
			}
			answers[i] = lookup{r.Name, host, addrs, err, time.Since(began)}
		})
	}
	lookups.Wait()
	return answers
}

func (a lookup) detail() Detail {
	value := strings.Join(a.addrs, ", ")
	if a.err != nil {
		value = a.err.Error()
		if dns := (*net.DNSError)(nil); errors.As(a.err, &dns) {
			value = dns.Err
		}
	}
	return Detail{Name: a.resolver, Value: fmt.Sprintf("%s (%s)", value, rounded(a.took))}
}

func (a lookup) notFound() bool {
	var dns *net.DNSError
	return errors.As(a.err, &dns) && dns.IsNotFound
}

// mostTelling picks the answer to explain: one resolver that fails leaves it
// open whether the name exists, whatever the others answered.
func mostTelling(answers []lookup) *lookup {
	telling := slices.IndexFunc(answers, func(a lookup) bool { return !a.notFound() })
	return &answers[max(telling, 0)]
}

// addressList lists the addresses, and marks the private ones.
func (v *visit) addressList() string {
	var list []string
	for _, a := range v.addresses {
		text := a.ip
		if parse(a.ip).IsPrivate() {
			text += " (private)"
		}
		if !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return strings.Join(list, ", ")
}

func resolverName(name string) string {
	if name == "go" {
		return "Go's own, which asks the name servers directly,"
	}
	return "the name server " + name
}

// explainLookup explains a host that no resolver has an address for.
func (v *visit) explainLookup(failed lookup, details []Detail) Result {
	p := problem("no resolver knows %s", failed.host).
		means("the name does not exist: it was mistyped, or the instance is gone, or the name is one of a private network").
		do("name the target by its instance or endpoint, and its host is looked up")
	if !failed.notFound() {
		p = problem("no resolver could look %s up", failed.host).
			means("the name servers fail or do not answer, so the name may be right").
			do("name a server that works", "export LAKEBASE_DNS_SERVERS=1.1.1.1")
		if servers := v.variable("dns_servers"); servers != "" {
			p.Action = "correct " + servers + ", or repair the system's resolver"
		}
	}
	switch {
	case v.isStatic():
		p = p.do("correct the host in the URL")
	case v.overridesHost():
		p = p.do(v.letWorkspaceNameHost(""))
	}
	return p.failed(v.refused(failed.err, failed.host), details...)
}

// socketsOnly skips a check of TCP or TLS where no server has either.
func socketsOnly(v *visit) string {
	if slices.ContainsFunc(v.servers, func(s steps.Server) bool { return !isSocket(s.Host) }) {
		return ""
	}
	return onlySockets
}

// checkTCP connects to every address, and closes the connections.
func checkTCP(ctx context.Context, v *visit) Result {
	ctx, cancel := v.within(ctx)
	defer cancel()
	errs := make([]error, len(v.addresses))
	details := make([]Detail, len(v.addresses))
	times := make([]time.Duration, len(v.addresses))
	var dials sync.WaitGroup
	for i, a := range v.addresses {
		dials.Go(func() {
			began := time.Now()
			conn, err := a.dial(ctx)
			times[i] = time.Since(began)
			if err == nil {
				err = conn.Close()
			}
			errs[i] = err
			details[i] = Detail{Name: a.String(), Value: fmt.Sprintf("%s (%s)", outcome(err), rounded(time.Since(began)))}
		})
	}
	dials.Wait()
	var silent, other error
	var names []string
	for i, a := range v.addresses {
		switch err := errs[i]; {
		case err == nil, errors.Is(err, syscall.ECONNRESET): // the next check finds out what cuts the connection
			v.reached = append(v.reached, a)
			if v.roundTrip == 0 || times[i] < v.roundTrip {
				v.roundTrip = times[i]
			}
			names = append(names, a.String())
		case isTimeout(err):
			silent = err
		default:
			other = cmp.Or(other, err)
		}
	}
	if len(v.reached) == 0 {
		return v.explainDial(cmp.Or(silent, other), details)
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

// explainDial explains a server that no connection reaches.
func (v *visit) explainDial(err error, details []Detail) Result {
	server := v.addresses[0].server
	at := hostPort(server.Host, server.Port)
	p := problem("no connection to %s: %s", at, outcome(err))
	switch {
	case isTimeout(err):
		meaning, action := explainSilence(server, parse(v.addresses[0].ip).IsPrivate())
		p = problem("%s does not answer", at).means("%s", meaning).do(action)
	case errors.Is(err, syscall.ECONNREFUSED):
		p = p.means("the machine was reached, or its network, and nothing listens at that port").
			do("check that the instance runs, and look its host up again", v.again())
	default:
		p = p.means("there is no route to that address from here, or no network at all").
			do("check this machine's network, VPN included")
	}
	switch variable := v.variable("port"); {
	case isTimeout(err) && (v.isLocalLakebase() || v.isStatic()):
	case v.isLocalLakebase():
		p = p.do("see whether the local Lakebase runs, and at which port", "lakebase local status")
	case v.isStatic():
		p = p.do("start the server, or correct host and port in the URL")
	case variable != "" && server.Port != 5432:
		p = p.do("use Lakebase's port, 5432: "+variable+" sets another", "unset "+variable)
	}
	return p.failed(v.refused(err, server.Host), details...)
}

// serviceName matches the hosts of the service, and finds the region in those that
// have one.
var serviceName = regexp.MustCompile(`^[^.]+\.database(?:\.([a-z0-9-]+))?\.(?:cloud\.databricks\.com|gcp\.databricks\.com|azuredatabricks\.net)\.?$`)

// explainSilence returns what it means that a server drops packets, and what to do.
func explainSilence(server steps.Server, private bool) (meaning, action string) {
	at := hostPort(server.Host, server.Port)
	action = "have the network let this machine out to " + at + " over TCP"
	meaning = "packets go there and none come back: a firewall or security group between here and there drops them"
	if private {
		meaning = "the address is a private one, and this machine is not in its network, or a firewall drops the packets"
	}
	name := serviceName.FindStringSubmatch(strings.ToLower(server.Host))
	switch {
	case name == nil:
	case name[1] != "":
		meaning += fmt.Sprintf("; where Private Link is in force, a name with a region, here %s, takes a Service Direct endpoint for port 5432 from outside the workspace", name[1])
		action += "; with Private Link, through a Service Direct endpoint, or run inside the workspace's network"
	case private:
		meaning += "; a private address of the service is one of Private Link, whose names without a region need no Service Direct endpoint"
		action += ", through the Private Link endpoint that the address belongs to"
	}
	return meaning, action
}
