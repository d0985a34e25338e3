package hosts

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// fakeListen grants any address but the refused ones, and makes up ports.
type fakeListen struct {
	refused map[string]bool
	next    int
}

func (f *fakeListen) listen(addr string) (net.Addr, error) {
	if f.refused[addr] {
		return nil, fmt.Errorf("listen %s: refused by the test", addr)
	}
	ap := netip.MustParseAddrPort(addr)
	if ap.Port() == 0 {
		f.next++
		ap = netip.AddrPortFrom(ap.Addr(), uint16(40000+f.next))
	}
	return net.TCPAddrFromAddrPort(ap), nil
}

// endpoint is an endpoint of a test.
type endpoint struct {
	key   string
	names Names
}

func testEndpoint(name string) *endpoint {
	return &endpoint{name, Names{Machine: name, Service: "ep-" + name, Zone: AutoscalingZone}}
}

func (e *endpoint) bind(h *Table, kind Kind, first bool) error {
	return h.Bind(e.key, &e.names, kind, first)
}

func openTestHosts(t *testing.T, o Options, f *fakeListen) (*Table, *endpoint, *endpoint) {
	t.Helper()
	h := New(o)
	h.Open(netip.MustParseAddrPort("127.0.0.1:5432"), f.listen)
	first, second := testEndpoint("one"), testEndpoint("two")
	for _, kind := range []Kind{Main, Pooled} {
		for _, e := range []*endpoint{first, second} {
			if err := e.bind(h, kind, e == first); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h, first, second
}

func wantHost(t *testing.T, h *Table, e *endpoint, kind Kind, host, addr string) {
	t.Helper()
	got, ok := h.Host(e.key, kind)
	if !ok || got.Host != host || got.Addr.String() != addr {
		t.Errorf("%s %s: got %v %v, want %s %s", e.key, kind, got, ok, host, addr)
	}
}

func wantFound(t *testing.T, h *Table, serverName, key, local string, want *endpoint) {
	t.Helper()
	got, ok := h.Find(serverName, key, netip.MustParseAddrPort(local))
	if ok != (want != nil) || ok && got.Key != want.key {
		t.Errorf("name %q, endpoint %q at %s: found %v, %v, want %v", serverName, key, local, got, ok, want)
	}
}

func TestHostsAreAddresses(t *testing.T) {
	f := &fakeListen{refused: map[string]bool{"127.0.0.3:5432": true}}
	h, first, second := openTestHosts(t, Options{}, f)
	wantHost(t, h, first, Main, "localhost", "127.0.0.1:5432")
	wantHost(t, h, second, Main, "127.0.0.2", "127.0.0.2:5432")
	wantHost(t, h, first, Pooled, "127.0.0.4", "127.0.0.4:5432")
	wantFound(t, h, "localhost", "", "127.0.0.1:5432", first)
	wantFound(t, h, "", "", "[::ffff:127.0.0.1]:5432", first)
	wantFound(t, h, "", "", "[::1]:5432", first)
	wantFound(t, h, "", "", "127.0.0.2:5432", second)
	wantFound(t, h, "localhost", "", "127.0.0.2:5432", second)
	wantFound(t, h, "", "two", "127.0.0.1:5432", second)
	wantFound(t, h, "", "none", "127.0.0.1:5432", nil)

	// The address is kept over a restart, and free again after a deletion.
	again := New(Options{})
	again.Open(netip.MustParseAddrPort("127.0.0.1:5432"), f.listen)
	if err := first.bind(again, Pooled, false); err != nil {
		t.Fatal(err)
	}
	wantHost(t, again, first, Pooled, "127.0.0.4", "127.0.0.4:5432")
	h.Unbind(second.key, Main)
	wantFound(t, h, "", "", "127.0.0.2:5432", first)
}

func TestHostsAreLocalhostNames(t *testing.T) {
	h, first, second := openTestHosts(t, Options{LocalhostNames: true}, &fakeListen{})
	wantHost(t, h, second, Main, "two.localhost", "127.0.0.1:5432")
	wantHost(t, h, second, Pooled, "two-pooler.localhost", "127.0.0.1:5432")
	wantFound(t, h, "TWO.localhost.", "", "127.0.0.1:5432", second)
	wantFound(t, h, "elsewhere", "", "127.0.0.1:5432", first)

	// A name that is taken, or would be too long, gives way to the uid.
	twin := testEndpoint("two")
	twin.names.Service = "ep-twin"
	if err := twin.bind(h, Main, false); err != nil {
		t.Fatal(err)
	}
	wantHost(t, h, twin, Main, "ep-twin.localhost", "127.0.0.1:5432")
	long := testEndpoint(strings.Repeat("x", MaxLabel))
	long.names.Service = "ep-long"
	if err := long.bind(h, Pooled, false); err != nil {
		t.Fatal(err)
	}
	wantHost(t, h, long, Pooled, "ep-long-pooler.localhost", "127.0.0.1:5432")
	if got := h.CertificateName("two.localhost", netip.MustParseAddrPort("127.0.0.1:5432")); got != "two.localhost" {
		t.Errorf("certificate for %q", got)
	}
	if got := h.CertificateName("lakebase.example.com", netip.MustParseAddrPort("127.0.0.1:5432")); got != "127.0.0.1" {
		t.Errorf("a stranger's name gets a certificate for %q", got)
	}
}

// TestHostsAreTheirPorts is for systems with a single loopback address.
func TestHostsAreTheirPorts(t *testing.T) {
	f := &fakeListen{refused: map[string]bool{}}
	for n := 2; n < 255; n++ {
		f.refused[fmt.Sprintf("127.0.0.%d:5432", n)] = true
	}
	h, _, second := openTestHosts(t, Options{}, f)
	wantHost(t, h, second, Main, "127.0.0.1", "127.0.0.1:40001")
	wantFound(t, h, "", "", "127.0.0.1:40001", second)
}

func TestHostsAreServiceNames(t *testing.T) {
	h, first, second := openTestHosts(t, Options{ServiceNames: true}, &fakeListen{})
	wantHost(t, h, first, Main, "ep-one.database.local.lakebase.test", "127.0.0.1:5432")
	wantHost(t, h, first, Pooled, "ep-one-pooler.database.local.lakebase.test", "127.0.0.1:5432")
	wantFound(t, h, "ep-two.database.local.lakebase.test", "", "127.0.0.1:5432", second)
	wantFound(t, h, "", "", "127.0.0.1:5432", nil)
	wantFound(t, h, "", "one", "127.0.0.1:5432", first)

	lookup := func() string {
		addr, _ := h.Lookup("EP-one.database.local.lakebase.test.")
		return addr.String()
	}
	if got := lookup(); got != "127.0.0.1" {
		t.Errorf("resolves to %s", got)
	}
	if _, ok := h.Lookup("other.test"); ok {
		t.Error("a name that is not ours resolves")
	}
	at := netip.MustParseAddrPort
	h.Move(first.key, &first.names)
	if got := lookup(); got != "127.0.0.2" {
		t.Errorf("after a failover it resolves to %s", got)
	}
	moved := func(local netip.AddrPort) bool {
		b, _ := h.Host(first.key, Main)
		return h.Moved(b, local)
	}
	if !moved(at("127.0.0.1:5432")) || moved(at("127.0.0.2:5432")) {
		t.Error("the old address must not serve, the new one must")
	}
	h.Move(first.key, &first.names)
	if got := lookup(); got != "127.0.0.1" || moved(at("127.0.0.1:5432")) {
		t.Errorf("after another failover it resolves to %s", got)
	}
	p := Names{Service: "instance-1234", Zone: ".zone"}
	if got := p.service(ReadOnly); got != "instance-ro-1234.zone" {
		t.Errorf("read-only label of an instance: %s", got)
	}
}
