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

// nothingToResolve skips the check where every host is an address or a socket.
func nothingToResolve(v *visit) string {
	if slices.ContainsFunc(v.servers, func(s steps.Server) bool { return !isSocket(s.Host) && !isAddress(s.Host) }) {
		return ""
	}
	v.useAddresses()
	if len(v.addresses) == 0 {
		return "the host is a socket on this machine"
	}
	return "the host is an address"
}

// useAddresses takes the hosts that are addresses.
func (v *visit) useAddresses() {
	for _, s := range v.servers {
		if isAddress(s.Host) {
			v.addresses = append(v.addresses, address{s, s.Host})
		}
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// checkDNS looks every host up by each resolver of the library on its own.
func checkDNS(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	var failed *lookup
	var details []Detail
	var fallback string
	v.useAddresses()
	for _, s := range v.servers {
		if isSocket(s.Host) || isAddress(s.Host) {
			continue
		}
		answers := lookUpEverywhere(ctx, v.steps.Resolvers, s.Host)
		for i, a := range answers {
			details = append(details, a.detail())
			if a.err == nil && !v.hasAddressOf(s) {
				for _, ip := range a.addrs {
					v.addresses = append(v.addresses, address{s, ip})
				}
				if i > 0 {
					fallback = a.resolver
				}
			}
		}
		if !v.hasAddressOf(s) && failed == nil {
			failed = mostTelling(answers)
		}
	}
	if len(v.addresses) == 0 {
		return v.explainLookup(*failed, details)
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
			addrs, err := resolve(ctx, r, host)
			answers[i] = lookup{r.Name, host, addrs, err, time.Since(began)}
		})
	}
	lookups.Wait()
	return answers
}

// resolve returns at the end of ctx, even if the resolver does not.
func resolve(ctx context.Context, r resolver.Upstream, host string) ([]string, error) {
	answered := make(chan lookup, 1)
	go func() {
		addrs, err := r.Lookup(ctx, host)
		answered <- lookup{addrs: addrs, err: err}
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

func (a lookup) detail() Detail {
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

func (v *visit) hasAddressOf(s steps.Server) bool {
	return slices.ContainsFunc(v.addresses, func(a address) bool { return a.server.Host == s.Host && a.server.Port == s.Port })
}

// addressList lists the addresses, and marks the private ones.
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

// explainLookup explains a host that no resolver has an address for.
func (v *visit) explainLookup(failed lookup, details []Detail) finding {
	summary := "no resolver knows " + failed.host
	a := advice{
		meaning: "the name does not exist: it was mistyped, or the instance is gone, or the name is one of a private network",
		action:  "name the target by its instance or endpoint, and its host is looked up",
	}
	if !failed.notFound() {
		summary = "no resolver could look " + failed.host + " up"
		a = advice{
			meaning: "the name servers fail or do not answer, so the name may be right",
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
		a.action, a.command = v.orLetWorkspaceNameHost(""), v.unsetHost()
	}
	err := v.refused(failed.err, failed.host)
	if !errors.Is(err, lakebase.KindDNS) {
		err = &lakebase.Error{Kind: lakebase.KindDNS, Resource: failed.host, Message: summary, Err: failed.err}
	}
	return fail(err, summary, a, details...)
}
