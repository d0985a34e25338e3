// Package hosts binds host names and addresses to the endpoints of a local
// Lakebase.
package hosts

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"
)

var (
	// Loopback is the address that the frontend listens on first.
	Loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	// otherLoopback is the address that a failover moves to.
	otherLoopback = netip.AddrFrom4([4]byte{127, 0, 0, 2})
)

// IsLoopback reports whether a host is localhost or a loopback address.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Binding is a host of an endpoint.
type Binding struct {
	Key  string // of the endpoint
	Kind Kind
	Host string // name or address
	Addr netip.AddrPort

	own   bool // no other host has its address
	first bool // the main host of the first endpoint, which answers to localhost
}

// Options say which host names a Table gives out.
type Options struct {
	// ServiceNames gives out names like the service's, which only this server's
	// name server resolves. Otherwise names and addresses work for every
	// program on this machine.
	ServiceNames bool
	// LocalhostNames says that this machine resolves all names under .localhost.
	LocalhostNames bool
}

// Table has the bindings of all endpoints. It is safe for concurrent use, except
// for the Names that callers pass in.
type Table struct {
	o Options

	mu        sync.Mutex
	main      netip.AddrPort
	listen    func(addr string) (net.Addr, error)
	listening map[netip.AddrPort]bool
	bindings  []*Binding
}

// New returns an empty table. Call Open before Bind.
func New(o Options) *Table { return &Table{o: o, listening: map[netip.AddrPort]bool{}} }

// Open sets the address that the frontend listens on, and the function that
// makes it listen on another.
func (t *Table) Open(main netip.AddrPort, listen func(addr string) (net.Addr, error)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.main, t.listen = main, listen
	t.listening[main] = true
}

// Main is the address that the frontend listens on first.
func (t *Table) Main() netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.main
}

// Bind gives an endpoint a host of a kind. It may set n.Octets. The main host
// of the first endpoint is localhost, unless hosts have service names.
func (t *Table) Bind(key string, n *Names, kind Kind, first bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := &Binding{Key: key, Kind: kind, Addr: t.main, first: first && kind == Main}
	switch {
	case t.o.ServiceNames:
		b.Host = n.service(kind)
		if n.Moved {
			b.Addr = netip.AddrPortFrom(otherLoopback, t.main.Port())
		}
		if err := t.listenOn(b.Addr); err != nil {
			return err
		}
	case b.first:
		b.Host = "localhost"
	case t.o.LocalhostNames:
		b.Host = n.localhost(kind, func(name string) bool { return t.named(name) != nil })
	default:
		addr, err := t.ownAddress(n, kind)
		if err != nil {
			return err
		}
		b.Host, b.Addr, b.own = addr.Addr().String(), addr, true
	}
	t.bindings = append(t.bindings, b)
	return nil
}

// find returns the latest binding that matches, or nil. The caller holds the lock.
func (t *Table) find(match func(*Binding) bool) *Binding {
	for _, b := range slices.Backward(t.bindings) {
		if match(b) {
			return b
		}
	}
	return nil
}

func (t *Table) named(host string) *Binding {
	return t.find(func(b *Binding) bool { return b.Host == host })
}

func (t *Table) at(addr netip.AddrPort) *Binding {
	return t.find(func(b *Binding) bool { return b.own && b.Addr == addr })
}

func (t *Table) of(key string, kind Kind) *Binding {
	return t.find(func(b *Binding) bool { return b.Key == key && b.Kind == kind })
}

// ownAddress listens on an address that no other host has: 127.0.0.N on the
// main port where the system has those, else a port of its own.
func (t *Table) ownAddress(n *Names, kind Kind) (netip.AddrPort, error) {
	octets := []int{n.Octets[kind]} // the saved one, 0 if there is none
	for octet := 2; octet < 255 && runtime.GOOS == "linux"; octet++ {
		octets = append(octets, octet) // only Linux has the whole of 127.0.0.0/8
	}
	for _, octet := range octets {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(octet)}), t.main.Port())
		if octet == 0 || t.at(addr) != nil || t.listenOn(addr) != nil {
			continue
		}
		if n.Octets == nil {
			n.Octets = map[Kind]int{}
		}
		n.Octets[kind] = octet
		return addr, nil
	}
	l, err := t.listen(net.JoinHostPort(Loopback.String(), "0"))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("no address for another host: %w", err)
	}
	addr, err := netip.ParseAddrPort(l.String())
	if err == nil {
		t.listening[addr] = true
	}
	return addr, err
}

func (t *Table) listenOn(addr netip.AddrPort) error {
	if t.listening[addr] {
		return nil
	}
	if _, err := t.listen(addr.String()); err != nil {
		return err
	}
	t.listening[addr] = true
	return nil
}

// Unbind removes a host, if the endpoint has it.
func (t *Table) Unbind(key string, kind Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bindings = slices.DeleteFunc(t.bindings, func(b *Binding) bool { return b.Key == key && b.Kind == kind })
}

// Move moves an endpoint's hosts to the other loopback address, or back, and
// sets n.Moved. Hosts that are addresses, and those of a system with a single
// loopback address, stay.
func (t *Table) Move(key string, n *Names) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.o.ServiceNames {
		return
	}
	to := netip.AddrPortFrom(otherLoopback, t.main.Port())
	if n.Moved {
		to = t.main
	}
	if t.listenOn(to) != nil {
		return
	}
	n.Moved = !n.Moved
	for _, b := range t.bindings {
		if b.Key == key {
			b.Addr = to
		}
	}
}

// Find returns the host that a connection to the address local is for: by its
// server name, by the endpoint that it names, if key is not empty, or by the
// address.
func (t *Table) Find(serverName, key string, local netip.AddrPort) (Binding, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.named(canonical(serverName))
	if b == nil || b.Host == "localhost" {
		b = t.at(netip.AddrPortFrom(local.Addr().Unmap(), local.Port()))
		switch {
		case key != "":
			b = t.of(key, Main)
		case b == nil && !t.o.ServiceNames:
			b = t.find(func(b *Binding) bool { return b.first })
		}
	}
	if b == nil {
		return Binding{}, false
	}
	return *b, true
}

// Moved reports whether b is no longer, or not yet, at the address local.
func (t *Table) Moved(b Binding, local netip.AddrPort) bool {
	return t.o.ServiceNames && b.Addr.Addr() != local.Addr().Unmap()
}

// Host returns an endpoint's host of a kind; ok is false if it has none.
func (t *Table) Host(key string, kind Kind) (b Binding, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.of(key, kind); b != nil {
		return *b, true
	}
	return Binding{}, false
}

// Lookup resolves a host name, for the name server.
func (t *Table) Lookup(name string) (addr netip.Addr, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.named(canonical(name)); b != nil {
		return b.Addr.Addr(), true
	}
	return netip.Addr{}, false
}

// CertificateName returns the name for the certificate of a connection: the
// requested one if it is one of the hosts, else the address local. A client
// that requests another name must not get a certificate for it.
func (t *Table) CertificateName(serverName string, local netip.AddrPort) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := canonical(serverName)
	if name == "localhost" || t.named(name) != nil {
		return name
	}
	return local.Addr().Unmap().String()
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// Zones of service names. They are under .test, which no public name server
// answers for.
const (
	ProvisionedZone = ".database.lakebase.test"
	AutoscalingZone = ".database.local.lakebase.test"
)

// MaxLabel is the length of the longest label that DNS allows.
const MaxLabel = 63

// Kind is a kind of host that an endpoint can have.
type Kind string

// The kinds of hosts.
const (
	Main           Kind = "main"
	ReadOnly       Kind = "ro" // of the readable secondaries
	Pooled         Kind = "pooler"
	ReadOnlyPooled Kind = "ro-pooler"
)

// Kinds are all kinds of hosts.
var Kinds = []Kind{Main, ReadOnly, Pooled, ReadOnlyPooled}

// IsPooled reports whether k is a pooled host.
func (k Kind) IsPooled() bool { return k == Pooled || k == ReadOnlyPooled }

// IsReadOnly reports whether k is a host of readable secondaries.
func (k Kind) IsReadOnly() bool { return k == ReadOnly || k == ReadOnlyPooled }

// Names are the parts of an endpoint's host names. They are saved, so that its
// hosts survive restarts and upgrades.
type Names struct {
	Machine string       `json:"machine"` // label before .localhost
	Service string       `json:"service"` // first label of the service name
	Zone    string       `json:"zone"`
	Octets  map[Kind]int `json:"octets,omitempty"` // N of each host's own address 127.0.0.N
	Moved   bool         `json:"moved,omitempty"`  // a failover moved it to the other address
}

// service is the service name for kind. Instances have the kind in the middle
// of the label, endpoints at its end.
func (n *Names) service(kind Kind) string {
	label := n.Service
	if kind != Main {
		if id, ok := strings.CutPrefix(n.Service, "instance-"); ok {
			label = "instance-" + string(kind) + "-" + id
		} else {
			label += "-" + string(kind)
		}
	}
	return label + n.Zone
}

// localhost is the name under .localhost for kind: the readable one, or one
// that is certainly free if that is taken or too long.
func (n *Names) localhost(kind Kind, taken func(name string) bool) string {
	suffix := ""
	if kind != Main {
		suffix = "-" + string(kind)
	}
	if name := n.Machine + suffix + ".localhost"; len(n.Machine+suffix) <= MaxLabel && !taken(name) {
		return name
	}
	return n.Service + suffix + ".localhost"
}

// NewID returns an id like the service's, such as ep-calm-river-1a2b3c4d for the
// kind ep.
func NewID(kind string) string {
	adjectives := []string{"calm", "bold", "green", "quiet", "swift", "warm", "young", "late", "broad", "misty"}
	nouns := []string{"river", "lake", "brook", "delta", "shore", "harbor", "spring", "meadow", "field", "forest"}
	return kind + "-" + adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))] + "-" + uuid.NewString()[:8]
}
