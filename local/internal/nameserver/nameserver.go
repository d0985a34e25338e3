// Package nameserver answers DNS queries for the host names that a local
// Lakebase gives out.
package nameserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/miekg/dns"
)

const (
	ttl         = 1    // seconds; a failover moves names
	maxUDPSize  = 1232 // of answers to clients that announce EDNS, which avoids fragments
	queryBuffer = 4096
)

// Options configure a Server. Both functions are called concurrently.
type Options struct {
	// Lookup returns the addresses of a name, which is lower case and has no
	// trailing dot. ok is false for a name that does not exist.
	Lookup func(name string) (addrs []netip.Addr, ok bool)
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

// Start listens on addr, which must be a loopback address. Port 0 means any
// port that is free for both UDP and TCP.
func Start(addr string, o Options) (*Server, error) {
	udp, tcp, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("name server: %w", err)
	}
	s := &Server{o: o, addr: tcp.Addr().String()}
	s.udp = s.serve(&dns.Server{PacketConn: udp, UDPSize: queryBuffer})
	s.tcp = s.serve(&dns.Server{Listener: tcp})
	return s, nil
}

// listen opens both sockets on one port. Where the system chooses the port, the
// one it chose for TCP may be in use for UDP: then it tries another.
func listen(addr string) (*net.UDPConn, *net.TCPListener, error) {
	want, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	if !want.IP.IsLoopback() {
		return nil, nil, fmt.Errorf("address %s is not a loopback address", addr)
	}
	for attempt := 1; ; attempt++ {
		tcp, err := net.ListenTCP("tcp", want)
		if err != nil {
			return nil, nil, err
		}
		got := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: got.IP, Port: got.Port})
		if err == nil {
			return udp, tcp, nil
		}
		tcp.Close()
		if want.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) || attempt == 10 {
			return nil, nil, err
		}
	}
}

// serve runs d and returns once it can be shut down.
func (s *Server) serve(d *dns.Server) *dns.Server {
	d.Handler = dns.HandlerFunc(s.handle)
	d.MsgAcceptFunc = s.accept
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

func (s *Server) accept(h dns.Header) dns.MsgAcceptAction {
	if s.o.Fault() == "timeout" {
		return dns.MsgIgnore
	}
	return dns.DefaultMsgAcceptFunc(h)
}

func (s *Server) handle(w dns.ResponseWriter, query *dns.Msg) {
	limit := dns.MaxMsgSize
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		limit = dns.MinMsgSize
		if query.IsEdns0() != nil {
			limit = maxUDPSize
		}
	}
	w.WriteMsg(s.answer(query, limit)) // a client that is gone needs no answer
}

// answer returns the reply to query. One that is longer than limit bytes
// becomes one without answers that sends the client to TCP.
func (s *Server) answer(query *dns.Msg, limit int) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.Authoritative, reply.RecursionAvailable = true, true
	if query.IsEdns0() != nil {
		reply.SetEdns0(maxUDPSize, false)
	}
	switch fault := s.o.Fault(); {
	case query.Opcode != dns.OpcodeQuery:
		reply.Rcode = dns.RcodeNotImplemented
	case fault == "servfail":
		reply.Rcode = dns.RcodeServerFailure
	default:
		s.resolve(reply, fault == "nxdomain")
	}
	if reply.Len() > limit {
		reply.Truncated, reply.Answer = true, nil
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
	addrs, ok := s.o.Lookup(strings.ToLower(strings.TrimSuffix(q.Name, ".")))
	if !ok || missing {
		reply.Rcode = dns.RcodeNameError
		return
	}
	for _, a := range addrs {
		if rr := record(q.Name, a.Unmap()); q.Qtype == dns.TypeANY || q.Qtype == rr.Header().Rrtype {
			reply.Answer = append(reply.Answer, rr)
		}
	}
}

func record(name string, a netip.Addr) dns.RR {
	header := dns.RR_Header{Name: name, Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: ttl}
	if a.Is4() {
		header.Rrtype = dns.TypeA
		return &dns.A{Hdr: header, A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: header, AAAA: a.AsSlice()}
}
