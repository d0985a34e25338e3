package local

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
)

var (
	loopback      = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	otherLoopback = netip.AddrFrom4([4]byte{127, 0, 0, 2}) // where a failover moves to
)

// doorKind is which of an endpoint's hosts a door belongs to.
type doorKind string

const (
	doorMain           doorKind = "main" // the endpoint's own host
	doorReadOnly       doorKind = "ro"   // its readable secondaries
	doorPooled         doorKind = "pooler"
	doorReadOnlyPooled doorKind = "ro-pooler"
)

func (k doorKind) pooled() bool { return k == doorPooled || k == doorReadOnlyPooled }

// door is one host name under which an endpoint is reached.
type door struct {
	Host string
	Addr netip.AddrPort

	kind     doorKind
	endpoint *endpoint
}

// readOnly reports whether the door leads to a standby.
func (d *door) readOnly() bool {
	return d.endpoint.ReadOnly || d.kind == doorReadOnly || d.kind == doorReadOnlyPooled
}

func (d *door) compute() *compute {
	if d.readOnly() {
		return d.endpoint.standby
	}
	return d.endpoint.branch.compute
}

// hosts knows every door by name and by address. It is safe for concurrent
// use; openDoor, closeDoor and move change endpoints, so their callers hold
// the workspace's lock as well.
type hosts struct {
	naming HostNaming
	listen func(addr string) (net.Addr, error)
	main   netip.AddrPort
	// localhostNames says whether the system resolves any name under .localhost.
	localhostNames bool

	mu     sync.Mutex
	byName map[string]*door
	byAddr map[netip.AddrPort]*door // doors with an address of their own
	open   map[netip.AddrPort]bool  // addresses the front listens on
	first  *door                    // answers as localhost
}

func newHosts(naming HostNaming, localhostNames bool) *hosts {
	return &hosts{
		naming:         naming,
		localhostNames: localhostNames,
		byName:         map[string]*door{},
		byAddr:         map[netip.AddrPort]*door{},
		open:           map[netip.AddrPort]bool{},
	}
}

// use says how to open addresses, of which main is open already.
func (h *hosts) use(main netip.AddrPort, listen func(addr string) (net.Addr, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.main, h.listen = main, listen
	h.open[main] = true
}

// openDoor gives the endpoint a door of the kind. The first endpoint's main
// door is the one that answers as localhost.
func (h *hosts) openDoor(e *endpoint, kind doorKind, first bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := &door{kind: kind, endpoint: e}
	switch {
	case h.naming == ServiceNames:
		d.Host, d.Addr = e.Names.label(kind)+e.Names.Zone, h.main
		if e.Names.Moved {
			d.Addr = netip.AddrPortFrom(otherLoopback, h.main.Port())
		}
		if err := h.listenOn(d.Addr); err != nil {
			return err
		}
	case first && kind == doorMain:
		d.Host, d.Addr = "localhost", h.main
	case h.localhostNames:
		d.Host, d.Addr = h.machineName(e, kind), h.main
	default:
		if err := h.ownAddress(d); err != nil {
			return err
		}
	}
	if first && kind == doorMain {
		h.first = d
	}
	h.byName[d.Host] = d
	e.doors = append(e.doors, d)
	return nil
}

// machineName is a free name under .localhost; the readable one if possible.
func (h *hosts) machineName(e *endpoint, kind doorKind) string {
	suffix := ""
	if kind != doorMain {
		suffix = "-" + string(kind)
	}
	name := e.Names.Machine + suffix + ".localhost"
	if len(e.Names.Machine+suffix) > maxLabel || h.byName[name] != nil {
		name = e.Names.Service + suffix + ".localhost"
	}
	return name
}

// ownAddress finds an address that leads to d alone: 127.0.0.N on the usual
// port where the system has those, else a port of its own.
func (h *hosts) ownAddress(d *door) error {
	if runtime.GOOS == "linux" {
		octets := []int{}
		if n := d.endpoint.Names.Octets[d.kind]; n != 0 {
			octets = append(octets, n)
		}
		for n := 2; n < 255; n++ {
			octets = append(octets, n)
		}
		for _, n := range octets {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(n)}), h.main.Port())
			if h.byAddr[addr] != nil || h.listenOn(addr) != nil {
				continue
			}
			if d.endpoint.Names.Octets == nil {
				d.endpoint.Names.Octets = map[doorKind]int{}
			}
			d.endpoint.Names.Octets[d.kind] = n
			h.assign(d, addr)
			return nil
		}
	}
	l, err := h.listen(net.JoinHostPort(loopback.String(), "0"))
	if err != nil {
		return fmt.Errorf("no address for %s: %w", d.endpoint.title(), err)
	}
	addr, err := netip.ParseAddrPort(l.String())
	if err != nil {
		return err
	}
	h.open[addr] = true
	h.assign(d, addr)
	return nil
}

func (h *hosts) assign(d *door, addr netip.AddrPort) {
	d.Host, d.Addr = addr.Addr().String(), addr
	h.byAddr[addr] = d
}

func (h *hosts) listenOn(addr netip.AddrPort) error {
	if h.open[addr] {
		return nil
	}
	if _, err := h.listen(addr.String()); err != nil {
		return err
	}
	h.open[addr] = true
	return nil
}

// closeDoor makes the endpoint's door of the kind lead nowhere.
func (h *hosts) closeDoor(e *endpoint, kind doorKind) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.doors = slices.DeleteFunc(e.doors, func(d *door) bool {
		if d.kind != kind {
			return false
		}
		if h.byName[d.Host] == d {
			delete(h.byName, d.Host)
		}
		delete(h.byAddr, d.Addr)
		if h.first == d {
			h.first = nil
		}
		return true
	})
}

// move takes the endpoint's doors to the other loopback address, or back.
// Names that are addresses themselves cannot move, and neither can those of
// systems with a single loopback address.
func (h *hosts) move(e *endpoint) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.naming != ServiceNames {
		return
	}
	to := netip.AddrPortFrom(otherLoopback, h.main.Port())
	if e.Names.Moved {
		to = h.main
	}
	if h.listenOn(to) != nil {
		return
	}
	e.Names.Moved = !e.Names.Moved
	for _, d := range e.doors {
		d.Addr = to
	}
}

// find returns the door that a connection came through: by the name it
// sent, by the endpoint it names in its options, by the address it reached.
func (h *hosts) find(serverName, options string, local netip.AddrPort) *door {
	h.mu.Lock()
	defer h.mu.Unlock()
	local = netip.AddrPortFrom(local.Addr().Unmap(), local.Port())
	if d := h.byName[canonical(serverName)]; d != nil && d.Host != "localhost" {
		return d
	}
	if id := endpointOption(options); id != "" {
		return h.byID(id)
	}
	if d := h.byAddr[local]; d != nil {
		return d
	}
	if h.naming == ServiceNames {
		return nil
	}
	return h.first
}

func (h *hosts) byID(id string) *door {
	for _, d := range h.byName {
		if d.endpoint.UID == id && d.kind == doorMain {
			return d
		}
	}
	return nil
}

// moved reports whether d is no longer, or not yet, at local.
func (h *hosts) moved(d *door, local netip.AddrPort) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.naming == ServiceNames && d.Addr.Addr() != local.Addr().Unmap()
}

// address of the endpoint's door of the kind; ok is false if it has none.
func (h *hosts) address(e *endpoint, kind doorKind) (host string, addr netip.AddrPort, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := find(e.doors, func(d *door) bool { return d.kind == kind })
	if d == nil {
		return "", netip.AddrPort{}, false
	}
	return d.Host, d.Addr, true
}

// lookup answers the name server.
func (h *hosts) lookup(name string) ([]netip.Addr, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := h.byName[canonical(name)]; d != nil {
		return []netip.Addr{d.Addr.Addr()}, true
	}
	return nil, false
}

// certificateName is the name to present a certificate for: the one that was
// asked for if it is ours, else the address that was reached. A client that
// asks for a stranger's name must not be told that it has found it.
func (h *hosts) certificateName(serverName string, local netip.AddrPort) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := canonical(serverName)
	if name == "localhost" || h.byName[name] != nil {
		return name
	}
	return local.Addr().Unmap().String()
}

func canonical(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// endpointOption is the endpoint that start-up options name, for clients
// that cannot send a server name.
func endpointOption(options string) string {
	for _, field := range splitOptions(options) {
		if id, ok := strings.CutPrefix(field, "endpoint="); ok {
			return id
		}
	}
	return ""
}
