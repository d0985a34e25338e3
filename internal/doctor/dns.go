package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/resolver"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// nothingToResolve is for hosts that are addresses or sockets already.
func nothingToResolve(v *visit) string {
	kind := "an address"
	for _, s := range v.servers {
		switch _, err := netip.ParseAddr(s.Host); {
		case isSocket(s.Host):
			kind = "a socket on this machine"
		case err != nil:
			return ""
		}
	}
	for _, s := range v.servers {
		if !isSocket(s.Host) {
			v.addresses = append(v.addresses, address{s, s.Host})
		}
	}
	return "the host is " + kind
}

func socketsOnly(v *visit) string {
	for _, s := range v.servers {
		if !isSocket(s.Host) {
			return ""
		}
	}
	return "the host is a socket on this machine"
}

func isSocket(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }

// lookupResult is what one resolver said of one host.
type lookupResult struct {
	resolver string
	host     string
	addrs    []string
	err      error
	took     time.Duration
}

// checkDNS asks every resolver that the library knows, each for itself.
func checkDNS(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	var failed *lookupResult
	var details []Detail
	var fallback string
	for _, s := range v.servers {
		if isSocket(s.Host) {
			continue
		}
		if _, err := netip.ParseAddr(s.Host); err == nil {
			v.addresses = append(v.addresses, address{s, s.Host})
			continue
		}
		answers := v.ask(ctx, s.Host)
		for i, a := range answers {
			details = append(details, a.detail())
			if a.err == nil && !v.knows(s) {
				for _, ip := range a.addrs {
					v.addresses = append(v.addresses, address{s, ip})
				}
				if i > 0 {
					fallback = a.resolver
				}
			}
		}
		if !v.knows(s) && failed == nil {
			failed = worst(answers)
		}
	}
	if len(v.addresses) == 0 {
		return v.unresolved(*failed, details)
	}
	f := found(details, "%s", v.addressList())
	if failed != nil {
		return f.warn("one of the hosts does not resolve: "+failed.host, advice{action: "correct the URL, or take that host out of it"})
	}
	if fallback != "" {
		return f.warn(fmt.Sprintf("the system's resolver does not know %s; %s does", v.servers[0].Host, resolverName(fallback)), advice{
			meaning: "this library asks the others by itself; programs that do not will not find the host",
			action:  "repair the system's resolver, or let other programs connect through lakebase proxy",
		})
	}
	return f
}

// ask puts the question to every resolver at once.
func (v *visit) ask(ctx context.Context, host string) []lookupResult {
	answers := make([]lookupResult, len(v.steps.Resolvers))
	var asked sync.WaitGroup
	for i, r := range v.steps.Resolvers {
		asked.Go(func() {
			began := time.Now()
			addrs, err := lookup(ctx, r, host)
			answers[i] = lookupResult{r.Name, host, addrs, err, time.Since(began)}
		})
	}
	asked.Wait()
	return answers
}

// lookup leaves a resolver that does not heed ctx behind.
func lookup(ctx context.Context, r resolver.Upstream, host string) ([]string, error) {
	type answer struct {
		addrs []string
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		addrs, err := r.Lookup(ctx, host)
		answered <- answer{addrs, err}
	}()
	select {
	case a := <-answered:
		if a.err == nil && len(a.addrs) == 0 {
			a.err = &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
		}
		return a.addrs, a.err
	case <-ctx.Done():
		return nil, &net.DNSError{Err: context.Cause(ctx).Error(), Name: host, IsTimeout: true}
	}
}

func (a lookupResult) detail() Detail {
	d := Detail{Name: a.resolver, Value: strings.Join(a.addrs, ", ")}
	if a.err != nil {
		d.Value = a.err.Error()
		if dns := (*net.DNSError)(nil); errors.As(a.err, &dns) {
			d.Value = dns.Err
		}
	}
	d.Value += fmt.Sprintf(" (%s)", rounded(a.took))
	return d
}

// worst picks the answer that says most: a resolver that fails says less of
// the name than one that does not know it.
func worst(answers []lookupResult) *lookupResult {
	for i := range answers {
		if !notFound(answers[i].err) {
			return &answers[i]
		}
	}
	return &answers[0]
}

func notFound(err error) bool {
	var dns *net.DNSError
	return errors.As(err, &dns) && dns.IsNotFound
}

func (v *visit) knows(s steps.Server) bool {
	return slices.ContainsFunc(v.addresses, func(a address) bool { return a.server.Host == s.Host && a.server.Port == s.Port })
}

// addressList names the addresses, the private ones as such.
func (v *visit) addressList() string {
	var list []string
	for _, a := range v.addresses {
		text := a.ip
		if ip, err := netip.ParseAddr(a.ip); err == nil && ip.IsPrivate() {
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

// unresolved explains a host that no resolver has an address for.
func (v *visit) unresolved(failed lookupResult, details []Detail) finding {
	err := v.steps.Refused(failed.err, failed.host, v.user(), v.database())
	summary := "no resolver knows " + failed.host
	a := advice{
		meaning: "the name does not exist: it was mistyped, or the instance is gone, or the name is one of a private network",
		action:  "name the target by its instance or endpoint, and its host is looked up",
	}
	if !notFound(failed.err) {
		summary = "no resolver could look " + failed.host + " up"
		a = advice{
			meaning: "the name servers fail or do not answer, which says nothing of the name",
			action:  "name a server that works", command: "export LAKEBASE_DNS_SERVERS=1.1.1.1",
		}
		if servers := v.variable("dns_servers"); servers != "" {
			a.action = "correct " + servers + ", or repair the system's resolver"
		}
	}
	switch {
	case v.isStatic():
		a.action, a.command = "correct the host in the URL", ""
	case v.overridesHost():
		a.action, a.command = "let the workspace name the host", v.unsetHost()
	}
	if errors.Is(err, lakebase.KindDNS) {
		return fail(err, summary, a, details...)
	}
	return fail(&lakebase.Error{Kind: lakebase.KindDNS, Resource: failed.host, Message: summary, Err: failed.err}, summary, a, details...)
}
