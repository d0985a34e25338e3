package local

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

func testEndpoint(name string) *endpoint {
	p := &project{ID: name}
	b := &branch{ID: "production", project: p}
	e := &endpoint{Key: name, UID: "ep-" + name, ID: "primary", branch: b, Names: endpointNames{Machine: name, Service: "ep-" + name, Zone: autoscalingZone}}
	return e
}

func openTestHosts(t *testing.T, naming HostNaming, localhostNames bool, f *fakeListen) (*hosts, *endpoint, *endpoint) {
	t.Helper()
	h := newHosts(naming, localhostNames)
	h.use(netip.MustParseAddrPort("127.0.0.1:5432"), f.listen)
	first, second := testEndpoint("one"), testEndpoint("two")
	for _, kind := range []doorKind{doorMain, doorPooled} {
		for _, e := range []*endpoint{first, second} {
			if err := h.openDoor(e, kind, e == first); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h, first, second
}

func wantDoor(t *testing.T, h *hosts, e *endpoint, kind doorKind, host, addr string) {
	t.Helper()
	gotHost, gotAddr, ok := h.address(e, kind)
	if !ok || gotHost != host || gotAddr.String() != addr {
		t.Errorf("%s %s: got %s %s %v, want %s %s", e.Key, kind, gotHost, gotAddr, ok, host, addr)
	}
}

func wantFound(t *testing.T, h *hosts, serverName, options, local string, want *endpoint) {
	t.Helper()
	var got *endpoint
	if d := h.find(serverName, options, netip.MustParseAddrPort(local)); d != nil {
		got = d.endpoint
	}
	if got != want {
		t.Errorf("name %q, options %q at %s: found %v, want %v", serverName, options, local, got, want)
	}
}

func TestHostsWithAddresses(t *testing.T) {
	f := &fakeListen{refused: map[string]bool{"127.0.0.3:5432": true}}
	h, first, second := openTestHosts(t, MachineNames, false, f)
	wantDoor(t, h, first, doorMain, "localhost", "127.0.0.1:5432")
	wantDoor(t, h, second, doorMain, "127.0.0.2", "127.0.0.2:5432")
	wantDoor(t, h, first, doorPooled, "127.0.0.4", "127.0.0.4:5432")
	wantFound(t, h, "localhost", "", "127.0.0.1:5432", first)
	wantFound(t, h, "", "", "[::ffff:127.0.0.1]:5432", first)
	wantFound(t, h, "", "", "[::1]:5432", first)
	wantFound(t, h, "", "", "127.0.0.2:5432", second)
	wantFound(t, h, "localhost", "", "127.0.0.2:5432", second)
	wantFound(t, h, "", "endpoint=ep-two", "127.0.0.1:5432", second)
	wantFound(t, h, "", "-c work_mem=1MB endpoint=ep-none", "127.0.0.1:5432", nil)

	// The address is kept over a restart, and free again after a deletion.
	again := newHosts(MachineNames, false)
	again.use(netip.MustParseAddrPort("127.0.0.1:5432"), f.listen)
	first.doors = nil
	if err := again.openDoor(first, doorPooled, false); err != nil {
		t.Fatal(err)
	}
	wantDoor(t, again, first, doorPooled, "127.0.0.4", "127.0.0.4:5432")
	h.closeDoor(second, doorMain)
	wantFound(t, h, "", "", "127.0.0.2:5432", first)
}

func TestHostsWithNames(t *testing.T) {
	h, first, second := openTestHosts(t, MachineNames, true, &fakeListen{})
	wantDoor(t, h, second, doorMain, "two.localhost", "127.0.0.1:5432")
	wantDoor(t, h, second, doorPooled, "two-pooler.localhost", "127.0.0.1:5432")
	wantFound(t, h, "TWO.localhost.", "", "127.0.0.1:5432", second)
	wantFound(t, h, "elsewhere", "", "127.0.0.1:5432", first)

	// A name that is taken, or would be too long, gives way to the uid.
	twin := testEndpoint("two")
	twin.Names.Service = "ep-twin"
	if err := h.openDoor(twin, doorMain, false); err != nil {
		t.Fatal(err)
	}
	wantDoor(t, h, twin, doorMain, "ep-twin.localhost", "127.0.0.1:5432")
	long := testEndpoint(strings.Repeat("x", maxLabel))
	long.Names.Service = "ep-long"
	if err := h.openDoor(long, doorPooled, false); err != nil {
		t.Fatal(err)
	}
	wantDoor(t, h, long, doorPooled, "ep-long-pooler.localhost", "127.0.0.1:5432")
	if got := h.certificateName("two.localhost", netip.MustParseAddrPort("127.0.0.1:5432")); got != "two.localhost" {
		t.Errorf("certificate for %q", got)
	}
	if got := h.certificateName("lakebase.example.com", netip.MustParseAddrPort("127.0.0.1:5432")); got != "127.0.0.1" {
		t.Errorf("a stranger's name gets a certificate for %q", got)
	}
}

// TestHostsWithPorts is for systems with a single loopback address.
func TestHostsWithPorts(t *testing.T) {
	f := &fakeListen{refused: map[string]bool{}}
	for n := 2; n < 255; n++ {
		f.refused[fmt.Sprintf("127.0.0.%d:5432", n)] = true
	}
	h, _, second := openTestHosts(t, MachineNames, false, f)
	wantDoor(t, h, second, doorMain, "127.0.0.1", "127.0.0.1:40001")
	wantFound(t, h, "", "", "127.0.0.1:40001", second)
}

func TestHostsOfTheService(t *testing.T) {
	h, first, second := openTestHosts(t, ServiceNames, false, &fakeListen{})
	wantDoor(t, h, first, doorMain, "ep-one.database.local.lakebase.test", "127.0.0.1:5432")
	wantDoor(t, h, first, doorPooled, "ep-one-pooler.database.local.lakebase.test", "127.0.0.1:5432")
	wantFound(t, h, "ep-two.database.local.lakebase.test", "", "127.0.0.1:5432", second)
	wantFound(t, h, "", "", "127.0.0.1:5432", nil)
	wantFound(t, h, "", "endpoint=ep-one", "127.0.0.1:5432", first)

	lookup := func() string {
		addrs, _ := h.lookup("EP-one.database.local.lakebase.test.")
		return fmt.Sprint(addrs)
	}
	if got := lookup(); got != "[127.0.0.1]" {
		t.Errorf("resolves to %s", got)
	}
	if _, ok := h.lookup("other.test"); ok {
		t.Error("a name that is not ours resolves")
	}
	at := netip.MustParseAddrPort
	h.move(first)
	if got := lookup(); got != "[127.0.0.2]" {
		t.Errorf("after a failover it resolves to %s", got)
	}
	d := first.doors[0]
	if !h.moved(d, at("127.0.0.1:5432")) || h.moved(d, at("127.0.0.2:5432")) {
		t.Error("the old address must not serve, the new one must")
	}
	h.move(first)
	if got := lookup(); got != "[127.0.0.1]" || h.moved(d, at("127.0.0.1:5432")) {
		t.Errorf("after another failover it resolves to %s", got)
	}
	p := endpointNames{Service: "instance-1234"}
	if got := p.label(doorReadOnly); got != "instance-ro-1234" {
		t.Errorf("read-only label of an instance: %s", got)
	}
}

func TestLoopbackOnly(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:0": true, "127.0.0.9:1": true, "[::1]:0": true, "localhost:0": true,
		"0.0.0.0:0": false, ":5432": false, "10.0.0.1:1": false, "example.com:1": false, "127.0.0.1": false,
	} {
		if err := requireLoopback("address", addr); (err == nil) != ok {
			t.Errorf("%s: got %v", addr, err)
		}
	}
}
