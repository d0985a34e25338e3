package nameserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// names is a zone for tests.
var names = map[string]netip.Addr{
	"four.example.": netip.MustParseAddr("127.0.0.4"),
	"six.example.":  netip.MustParseAddr("::6"),
}

func lookup(name string) (netip.Addr, bool) {
	a, ok := names[strings.ToLower(name)]
	return a, ok
}

func startNames(t *testing.T, mode *atomic.Value) *Server {
	t.Helper()
	n, err := Start(Options{
		Lookup: lookup,
		Fault:  func() string { s, _ := mode.Load().(string); return s },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// resolver asks n over network only.
func resolver(n *Server, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, asked, _ string) (net.Conn, error) {
		if network != "" {
			asked = network
		}
		var d net.Dialer
		return d.DialContext(ctx, asked, n.Addr())
	}}
}

func TestResolvesOverUDPAndTCP(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	for _, network := range []string{"udp", "tcp"} {
		r := resolver(n, network)
		for _, c := range []struct {
			name, kind string
			want       []string
		}{
			{"four.example", "ip4", []string{"127.0.0.4"}},
			{"FOUR.Example.", "ip4", []string{"127.0.0.4"}},
			{"six.example", "ip6", []string{"::6"}},
		} {
			got, err := r.LookupNetIP(t.Context(), c.kind, c.name)
			if err != nil {
				t.Errorf("%s %s %s: %v", network, c.kind, c.name, err)
				continue
			}
			var s []string
			for _, a := range got {
				s = append(s, a.String())
			}
			slices.Sort(s)
			if !slices.Equal(s, c.want) {
				t.Errorf("%s %s %s: %v, want %v", network, c.kind, c.name, s, c.want)
			}
		}
		var failed *net.DNSError
		if _, err := r.LookupHost(t.Context(), "missing.example"); !errors.As(err, &failed) || !failed.IsNotFound {
			t.Errorf("%s: missing name gave %v", network, err)
		}
	}
}

// The longest name with an address, asked in the largest letters, is answered in
// the smallest message.
func TestLongestAnswerFitsWithoutEDNS(t *testing.T) {
	s := &Server{o: Options{Lookup: func(string) (netip.Addr, bool) { return netip.MustParseAddr("::6"), true }}}
	label := strings.Repeat("x", 63) + "."
	query := new(dns.Msg).SetQuestion(label+label+label+"database.local.lakebase.test.", dns.TypeAAAA)
	if b, err := s.answer(query, "").Pack(); err != nil || len(b) > dns.MinMsgSize {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestFaultsAffectAnswers(t *testing.T) {
	t.Parallel()
	var mode atomic.Value
	n := startNames(t, &mode)
	r := resolver(n, "udp")
	var failed *net.DNSError

	mode.Store("servfail")
	if _, err := r.LookupHost(t.Context(), "four.example"); !errors.As(err, &failed) || failed.IsNotFound || failed.IsTimeout {
		t.Errorf("servfail: %v", err)
	}
	mode.Store("nxdomain")
	if _, err := r.LookupHost(t.Context(), "four.example"); !errors.As(err, &failed) || !failed.IsNotFound {
		t.Errorf("nxdomain: %v", err)
	}
	mode.Store("timeout")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.LookupHost(ctx, "four.example"); !errors.As(err, &failed) || !failed.IsTimeout {
		t.Errorf("timeout: %v", err)
	}
	mode.Store("")
	if _, err := r.LookupHost(t.Context(), "four.example"); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// ask sends one question without EDNS over UDP.
func ask(t *testing.T, n *Server, kind uint16, names ...string) *dns.Msg {
	t.Helper()
	q := &dns.Msg{MsgHdr: dns.MsgHdr{Id: 77, RecursionDesired: true}}
	for _, name := range names {
		q.Question = append(q.Question, dns.Question{Name: name, Qtype: kind, Qclass: dns.ClassINET})
	}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	c.Write(b)
	buf := make([]byte, 4096)
	size, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	if err := m.Unpack(buf[:size]); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAnswersEveryKindOfQuestion(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	for _, c := range []struct {
		kind    uint16
		names   []string
		rcode   int
		answers int
	}{
		{dns.TypeA, []string{"four.example."}, dns.RcodeSuccess, 1},
		{dns.TypeAAAA, []string{"four.example."}, dns.RcodeSuccess, 0},
		{dns.TypeA, []string{"six.example."}, dns.RcodeSuccess, 0},
		{dns.TypeMX, []string{"four.example."}, dns.RcodeSuccess, 0},
		{dns.TypeANY, []string{"six.example."}, dns.RcodeSuccess, 1},
		{dns.TypeMX, []string{"missing.example."}, dns.RcodeNameError, 0},
		{dns.TypeA, []string{"four.example.", "six.example."}, dns.RcodeFormatError, 0},
		{dns.TypeA, nil, dns.RcodeFormatError, 0},
	} {
		t.Run(fmt.Sprint(dns.TypeToString[c.kind], c.names), func(t *testing.T) {
			t.Parallel()
			m := ask(t, n, c.kind, c.names...)
			if m.Id != 77 || !m.Response || m.Rcode != c.rcode || len(m.Answer) != c.answers {
				t.Fatalf("got %v with %d answers, want %v with %d", m.Rcode, len(m.Answer), c.rcode, c.answers)
			}
			for _, a := range m.Answer {
				if a.Header().Ttl != 1 {
					t.Errorf("TTL %d", a.Header().Ttl)
				}
			}
		})
	}
}

func TestIgnoresMalformedPackets(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	c, err := net.Dial("udp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("nonsense"))
	tcp, err := net.Dial("tcp", n.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close() // still open when the server closes
	tcp.Write([]byte("\x00\x08nonsense\x00"))
	if m := ask(t, n, dns.TypeA, "four.example."); len(m.Answer) != 1 {
		t.Error("no answer after nonsense")
	}
}

func FuzzAnswer(f *testing.F) {
	b, err := new(dns.Msg).SetQuestion("four.example.", dns.TypeA).Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("nonsense"))
	n := &Server{o: Options{Lookup: func(string) (netip.Addr, bool) { return names["four.example."], true }}}
	f.Fuzz(func(t *testing.T, packet []byte) {
		query := new(dns.Msg)
		if query.Unpack(packet) != nil || len(query.Question) != 1 {
			return // the library answers these itself
		}
		b, err := n.answer(query, "").Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(b); err != nil || !m.Response {
			t.Fatalf("answered with %x: %v", b, err)
		}
	})
}
