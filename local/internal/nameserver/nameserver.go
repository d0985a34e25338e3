// Package nameserver answers DNS queries for the host names that a local
// Lakebase gives out.
package nameserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"github.com/miekg/dns"
)

const (
	ttl         = 1    // seconds; a failover moves names
	maxUDPSize  = 1232 // announced to clients that use EDNS, which avoids fragments
	queryBuffer = 4096
)

// Options configure a Server. Both functions are called concurrently.
type Options struct {
	// Lookup returns the address of a name in any case, with a dot at its end.
	// ok is false for a name that does not exist.
	Lookup func(name string) (addr netip.Addr, ok bool)
	// Fault is the DNS fault in force: "servfail", "nxdomain", "timeout", or
	// "" for none.
	Fault func() string
}

// Server answers DNS queries over UDP and TCP.
type Server struct {
	o        Options
	addr     string
	udp, tcp *dns.Server
}

// Start listens on a loopback port that is free for both UDP and TCP.
func Start(o Options) (*Server, error) {
	udp, tcp, err := listen()
	if err != nil {
		return nil, fmt.Errorf("name server: %w", err)
	}
	s := &Server{o: o, addr: tcp.Addr().String()}
	s.udp = s.serve(&dns.Server{PacketConn: udp, UDPSize: queryBuffer})
	s.tcp = s.serve(&dns.Server{Listener: tcp})
	return s, nil
}

// listen opens both sockets on one port. The one that the system chose for TCP
// may be in use for UDP: then it tries another.
func listen() (*net.UDPConn, *net.TCPListener, error) {
	for attempt := 1; ; attempt++ {
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return nil, nil, err
		}
		got := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: got.IP, Port: got.Port})
		if err == nil {
			return udp, tcp, nil
		}
		tcp.Close()
		if !errors.Is(err, syscall.EADDRINUSE) || attempt == 10 {
			return nil, nil, err
		}
	}
}

// serve runs d and returns once it can be shut down.
func (s *Server) serve(d *dns.Server) *dns.Server {
	d.Handler = dns.HandlerFunc(s.handle)
	started := make(chan struct{})
	d.NotifyStartedFunc = func() { close(started) }
	go d.ActivateAndServe() // ends with Shutdown
	<-started
	return d
}

// Addr is host:port of both listeners.
func (s *Server) Addr() string { return s.addr }

// Close stops the server and waits until it has ended. It may be called once.
func (s *Server) Close() error { return errors.Join(s.udp.Shutdown(), s.tcp.Shutdown()) }

func (s *Server) handle(w dns.ResponseWriter, query *dns.Msg) {
	if fault := s.o.Fault(); fault != "timeout" {
		w.WriteMsg(s.answer(query, fault)) // a client that is gone needs no answer
	}
}

// answer returns the reply to query. Host names have one address each, so that
// every reply fits into the smallest UDP message.
func (s *Server) answer(query *dns.Msg, fault string) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative, reply.RecursionAvailable = true, true
	if query.IsEdns0() != nil {
		reply.SetEdns0(maxUDPSize, false)
	}
	switch {
	case query.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case fault == "servfail":
		reply.Rcode = dns.RcodeServerFailure
	default:
		s.resolve(reply, fault == "nxdomain")
	}
	return reply
}

// resolve answers reply's question.
func (s *Server) resolve(reply *dns.Msg, missing bool) {
	q := reply.Question[0]
	if q.Qclass != dns.ClassINET && q.Qclass != dns.ClassANY {
		reply.Rcode = dns.RcodeRefused
		return
	}
	addr, ok := s.o.Lookup(q.Name)
	if !ok || missing {
		reply.Rcode = dns.RcodeNameError
		return
	}
	header := dns.RR_Header{Name: q.Name, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: ttl}
	var rr dns.RR = &dns.AAAA{Hdr: header, AAAA: addr.AsSlice()}
	if addr.Is4() {
		header.Rrtype = dns.TypeA
		rr = &dns.A{Hdr: header, A: addr.AsSlice()}
	}
	if q.Qtype == dns.TypeANY || q.Qtype == header.Rrtype {
		reply.Answer = []dns.RR{rr}
	}
}
