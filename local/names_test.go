package local_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/lakebase-go/lakebase/local"
)

// TestServiceNamesResolveAndMove resolves the service's names by the server's own name
// server, and follows one through a failover.
func TestServiceNamesResolveAndMove(t *testing.T) {
	t.Parallel()
	s := start(t, local.Options{HostNames: local.ServiceNames, Projects: []string{"p"}, Instances: []string{"i"}})
	vars, err := s.Env("p")
	if err != nil || vars[len(vars)-1] != (local.EnvVar{Name: "LAKEBASE_DNS_SERVERS", Value: s.DNSAddr()}) {
		t.Errorf("environment: %v, %v", vars, err)
	}
	instance := clientFor(t, s, "i")
	if !strings.HasPrefix(instance.host, "instance-") || !strings.HasSuffix(instance.host, ".database.lakebase.test") {
		t.Errorf("host of the instance: %s", instance.host)
	}
	l := clientFor(t, s, "projects/p/branches/production/endpoints/primary")
	if !strings.HasPrefix(l.host, "ep-") || !strings.HasSuffix(l.host, ".database.local.lakebase.test") {
		t.Errorf("host of the endpoint: %s", l.host)
	}
	l.address = resolve(t, s.DNSAddr(), l.host)
	l.query(t, s, "SELECT 'by its name'")

	if err := s.Failover(t.Context(), "p", 0); err != nil {
		t.Fatal(err)
	}
	moved := resolve(t, s.DNSAddr(), l.host)
	if moved == l.address {
		t.Fatalf("the name still resolves to %s", moved)
	}
	l.wantRefused(t, s, "FATAL", "57P03", "shutting down") // at the old address
	l.address = moved
	l.query(t, s, "SELECT 'moved'")
	instance.address = resolve(t, s.DNSAddr(), instance.host)
	instance.query(t, s, "SELECT 'where it was'")

	nameless := l
	nameless.host, nameless.address = "127.0.0.1", ""
	nameless.wantRefused(t, s, "ERROR", "XX000", "Endpoint ID is not specified")
}

// resolve asks a name server for the one address of host.
func resolve(t testing.TB, server, host string) string {
	t.Helper()
	reply, _, err := new(dns.Client).ExchangeContext(t.Context(), new(dns.Msg).SetQuestion(host+".", dns.TypeA), server)
	if err != nil || len(reply.Answer) != 1 {
		t.Fatalf("%s: %v, %v", host, reply, err)
	}
	return reply.Answer[0].(*dns.A).A.String()
}

// With "auto" the port is 5432 if it is free, or else any other.
func TestAutoPortPrefers5432(t *testing.T) {
	t.Parallel()
	first := start(t, local.Options{PostgresAddr: "auto", Instances: []string{"i"}})
	second := start(t, local.Options{PostgresAddr: "auto", Instances: []string{"i"}})
	if first.PostgresAddr() == second.PostgresAddr() {
		t.Error("both listen on", first.PostgresAddr())
	}
	for _, s := range []*local.Server{first, second} {
		clientFor(t, s, "i").query(t, s, "SELECT 'served'")
	}
	port := netip.MustParseAddrPort(second.PostgresAddr()).Port()
	s, err := local.Start(t.Context(), local.Options{PostgresAddr: "127.0.0.1:" + strconv.Itoa(int(port)), Instances: []string{"i"}})
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d is in use by another program", port)) {
		t.Errorf("a port that is taken: %v", err)
	}
}
