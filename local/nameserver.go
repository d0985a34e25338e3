package local

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	nameTTL        = 1   // seconds; a failover moves names
	plainUDPSize   = 512 // what every client can take
	ourUDPSize     = 1232
	tcpIdleTimeout = 10 * time.Second
)

// nameserver answers DNS queries, UDP and TCP, on loopback.
type nameserver struct {
	udp    *net.UDPConn
	tcp    *net.TCPListener
	lookup func(name string) ([]netip.Addr, bool)
	mode   func() string

	wg     sync.WaitGroup
	mu     sync.Mutex
	closed bool
	conns  map[net.Conn]bool
}

// startNameserver listens on addr. lookup returns the addresses of a name
// (lower case, no trailing dot), ok false for NXDOMAIN. mode returns the
// DNSFault.Mode in force.
func startNameserver(addr string, lookup func(name string) ([]netip.Addr, bool), mode func() string) (*nameserver, error) {
	n := &nameserver{lookup: lookup, mode: mode, conns: map[net.Conn]bool{}}
	if err := n.listen(addr); err != nil {
		return nil, fmt.Errorf("name server: %w", err)
	}
	n.wg.Add(2)
	go n.serveUDP()
	go n.serveTCP()
	return n, nil
}

// listen opens both sockets on one port. Where the port is the system's
// choice, the one it chose for TCP may be taken for UDP: then try another.
func (n *nameserver) listen(addr string) error {
	want, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return err
	}
	if !want.IP.IsLoopback() {
		return fmt.Errorf("address %s is not a loopback address", addr)
	}
	for range 10 {
		if n.tcp, err = net.ListenTCP("tcp", want); err != nil {
			return err
		}
		got := n.tcp.Addr().(*net.TCPAddr)
		n.udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: got.IP, Port: got.Port})
		if err == nil {
			return nil
		}
		n.tcp.Close()
		if want.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	return err
}

func (n *nameserver) addr() string { return n.tcp.Addr().String() }

func (n *nameserver) close() error {
	n.mu.Lock()
	n.closed = true
	for c := range n.conns {
		c.Close()
	}
	n.mu.Unlock()
	err := errors.Join(n.udp.Close(), n.tcp.Close())
	n.wg.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil // a second close
	}
	return err
}

func (n *nameserver) serveUDP() {
	defer n.wg.Done()
	buf := make([]byte, 4096)
	for {
		size, from, err := n.udp.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptBackoff) // an ICMP error for an earlier answer, or no memory
			continue
		}
		if answer := n.answer(buf[:size], false); answer != nil {
			n.udp.WriteToUDPAddrPort(answer, from)
		}
	}
}

func (n *nameserver) serveTCP() {
	defer n.wg.Done()
	for {
		c, err := n.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(acceptBackoff)
			continue
		}
		if !n.track(c) {
			c.Close()
			return
		}
		go n.serveConn(c)
	}
}

func (n *nameserver) track(c net.Conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return false
	}
	n.conns[c] = true
	n.wg.Add(1)
	return true
}

func (n *nameserver) serveConn(c net.Conn) {
	defer func() {
		c.Close()
		n.mu.Lock()
		delete(n.conns, c)
		n.mu.Unlock()
		n.wg.Done()
	}()
	for {
		c.SetDeadline(time.Now().Add(tcpIdleTimeout))
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, query); err != nil {
			return
		}
		answer := n.answer(query, true)
		if answer == nil {
			continue
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}

// answer returns the message to send back, nil for none.
func (n *nameserver) answer(query []byte, tcp bool) []byte {
	mode := n.mode()
	if mode == "timeout" {
		return nil
	}
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil || head.Response {
		return nil
	}
	reply := dnsReply{Header: dnsmessage.Header{
		ID: head.ID, Response: true, OpCode: head.OpCode, Authoritative: true,
		RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
	}}
	questions, err := p.AllQuestions()
	switch {
	case head.OpCode != 0:
		reply.RCode = dnsmessage.RCodeNotImplemented
	case err != nil || len(questions) != 1:
		reply.RCode = dnsmessage.RCodeFormatError
	case mode == "servfail":
		reply.question, reply.RCode = &questions[0], dnsmessage.RCodeServerFailure
	default:
		reply.question = &questions[0]
		n.resolve(&reply, mode == "nxdomain")
	}
	limit := 65535
	if reply.edns = err == nil && hasEDNS(&p); !tcp {
		limit = plainUDPSize
		if reply.edns {
			limit = ourUDPSize
		}
	}
	return reply.pack(limit)
}

// resolve fills in the answers to reply's question.
func (n *nameserver) resolve(reply *dnsReply, missing bool) {
	q := reply.question
	if q.Class != dnsmessage.ClassINET && q.Class != dnsmessage.ClassANY {
		reply.RCode = dnsmessage.RCodeRefused
		return
	}
	addrs, ok := n.lookup(strings.ToLower(strings.TrimSuffix(q.Name.String(), ".")))
	if !ok || missing {
		reply.RCode = dnsmessage.RCodeNameError
		return
	}
	for _, a := range addrs {
		if a = a.Unmap(); q.Type == dnsmessage.TypeALL || q.Type == addressType(a) {
			reply.addrs = append(reply.addrs, a)
		}
	}
}

// hasEDNS reports whether the query whose questions p has read says that it
// knows EDNS, and so takes longer answers.
func hasEDNS(p *dnsmessage.Parser) bool {
	if p.SkipAllAnswers() != nil || p.SkipAllAuthorities() != nil {
		return false
	}
	for {
		h, err := p.AdditionalHeader()
		if err != nil {
			return false
		}
		if h.Type == dnsmessage.TypeOPT {
			return true
		}
		if p.SkipAdditional() != nil {
			return false
		}
	}
}

// dnsReply is an answer before it is packed.
type dnsReply struct {
	dnsmessage.Header
	question *dnsmessage.Question // echoed as it came
	addrs    []netip.Addr
	edns     bool
}

// pack returns the message, or one that sends the client to TCP where it is
// longer than limit.
func (r *dnsReply) pack(limit int) []byte {
	m := dnsmessage.Message{Header: r.Header}
	if r.question != nil {
		m.Questions = []dnsmessage.Question{*r.question}
	}
	for _, a := range r.addrs {
		m.Answers = append(m.Answers, r.resource(a))
	}
	if r.edns {
		var h dnsmessage.ResourceHeader
		h.SetEDNS0(ourUDPSize, dnsmessage.RCodeSuccess, false)
		m.Additionals = []dnsmessage.Resource{{Header: h, Body: &dnsmessage.OPTResource{}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil // only for names that the parser would not have let through
	}
	if len(b) > limit {
		m.Truncated, m.Answers = true, nil
		b, _ = m.Pack()
	}
	return b
}

func (r *dnsReply) resource(a netip.Addr) dnsmessage.Resource {
	h := dnsmessage.ResourceHeader{Name: r.question.Name, Type: addressType(a), Class: dnsmessage.ClassINET, TTL: nameTTL}
	if a.Is4() {
		return dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}}
	}
	return dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}}
}

func addressType(a netip.Addr) dnsmessage.Type {
	if a.Is4() {
		return dnsmessage.TypeA
	}
	return dnsmessage.TypeAAAA
}
