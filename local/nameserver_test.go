package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// names is a zone for tests.
var names = map[string][]netip.Addr{
	"four.example": {netip.MustParseAddr("127.0.0.4"), netip.MustParseAddr("127.0.0.5")},
	"six.example":  {netip.MustParseAddr("::6")},
	"both.example": {netip.MustParseAddr("127.0.0.4"), netip.MustParseAddr("::6")},
	"none.example": {},
}

func startNames(t *testing.T, mode *atomic.Value) *nameserver {
	t.Helper()
	many := make([]netip.Addr, 100)
	for i := range many {
		many[i] = netip.AddrFrom4([4]byte{127, 0, 1, byte(i)})
	}
	n, err := startNameserver("127.0.0.1:0", func(name string) ([]netip.Addr, bool) {
		if name == "many.example" {
			return many, true
		}
		a, ok := names[name]
		return a, ok
	}, func() string { s, _ := mode.Load().(string); return s })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// dnsClient asks n over network only.
func dnsClient(n *nameserver, network string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, asked, _ string) (net.Conn, error) {
		if network != "" {
			asked = network
		}
		var d net.Dialer
		return d.DialContext(ctx, asked, n.addr())
	}}
}

func TestNameserverResolves(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	for _, network := range []string{"udp", "tcp"} {
		r := dnsClient(n, network)
		for _, c := range []struct {
			name, kind string
			want       []string
		}{
			{"four.example", "ip4", []string{"127.0.0.4", "127.0.0.5"}},
			{"FOUR.Example.", "ip4", []string{"127.0.0.4", "127.0.0.5"}},
			{"six.example", "ip6", []string{"::6"}},
			{"both.example", "ip", []string{"127.0.0.4", "::6"}},
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
		var dns *net.DNSError
		if _, err := r.LookupHost(t.Context(), "missing.example"); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("%s: missing name gave %v", network, err)
		}
	}
}

func TestNameserverTruncates(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	// Over UDP first, then, being told so, over TCP.
	got, err := dnsClient(n, "").LookupNetIP(t.Context(), "ip4", "many.example")
	if err != nil || len(got) != 100 {
		t.Errorf("%d addresses, %v; want 100", len(got), err)
	}
	m := ask(t, n, dnsmessage.TypeA, "many.example.")
	if !m.Truncated || len(m.Answers) != 0 {
		t.Errorf("without EDNS: truncated %v with %d answers", m.Truncated, len(m.Answers))
	}
}

func TestNameserverFaults(t *testing.T) {
	t.Parallel()
	var mode atomic.Value
	n := startNames(t, &mode)
	r := dnsClient(n, "udp")
	var dns *net.DNSError

	mode.Store("servfail")
	if _, err := r.LookupHost(t.Context(), "four.example"); !errors.As(err, &dns) || dns.IsNotFound || dns.IsTimeout {
		t.Errorf("servfail: %v", err)
	}
	mode.Store("nxdomain")
	if _, err := r.LookupHost(t.Context(), "four.example"); !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("nxdomain: %v", err)
	}
	mode.Store("timeout")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.LookupHost(ctx, "four.example"); !errors.As(err, &dns) || !dns.IsTimeout {
		t.Errorf("timeout: %v", err)
	}
	mode.Store("")
	if _, err := r.LookupHost(t.Context(), "four.example"); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}

// ask sends one question without EDNS over UDP.
func ask(t *testing.T, n *nameserver, kind dnsmessage.Type, names ...string) dnsmessage.Message {
	t.Helper()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 77, RecursionDesired: true}}
	for _, name := range names {
		q.Questions = append(q.Questions, dnsmessage.Question{Name: dnsmessage.MustNewName(name), Type: kind, Class: dnsmessage.ClassINET})
	}
	b, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("udp", n.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write(b)
	buf := make([]byte, 4096)
	size, err := c.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(buf[:size]); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNameserverMessages(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	for _, c := range []struct {
		kind    dnsmessage.Type
		names   []string
		rcode   dnsmessage.RCode
		answers int
	}{
		{dnsmessage.TypeA, []string{"four.example."}, dnsmessage.RCodeSuccess, 2},
		{dnsmessage.TypeAAAA, []string{"four.example."}, dnsmessage.RCodeSuccess, 0},
		{dnsmessage.TypeA, []string{"six.example."}, dnsmessage.RCodeSuccess, 0},
		{dnsmessage.TypeMX, []string{"both.example."}, dnsmessage.RCodeSuccess, 0},
		{dnsmessage.TypeALL, []string{"both.example."}, dnsmessage.RCodeSuccess, 2},
		{dnsmessage.TypeA, []string{"none.example."}, dnsmessage.RCodeSuccess, 0},
		{dnsmessage.TypeMX, []string{"missing.example."}, dnsmessage.RCodeNameError, 0},
		{dnsmessage.TypeA, []string{"four.example.", "six.example."}, dnsmessage.RCodeFormatError, 0},
		{dnsmessage.TypeA, nil, dnsmessage.RCodeFormatError, 0},
	} {
		t.Run(fmt.Sprint(c.kind, c.names), func(t *testing.T) {
			t.Parallel()
			m := ask(t, n, c.kind, c.names...)
			if m.ID != 77 || !m.Response || m.RCode != c.rcode || len(m.Answers) != c.answers {
				t.Fatalf("got %v with %d answers, want %v with %d", m.RCode, len(m.Answers), c.rcode, c.answers)
			}
			for _, a := range m.Answers {
				if a.Header.TTL != 1 {
					t.Errorf("TTL %d", a.Header.TTL)
				}
			}
		})
	}
}

func TestNameserverIgnoresNonsense(t *testing.T) {
	t.Parallel()
	n := startNames(t, &atomic.Value{})
	c, err := net.Dial("udp", n.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("nonsense"))
	tcp, err := net.Dial("tcp", n.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close() // still open when the server closes
	tcp.Write([]byte("\x00\x08nonsense\x00"))
	if m := ask(t, n, dnsmessage.TypeA, "four.example."); len(m.Answers) != 2 {
		t.Error("no answer after nonsense")
	}
}

func TestNameserverLoopbackOnly(t *testing.T) {
	t.Parallel()
	if n, err := startNameserver("0.0.0.0:0", nil, nil); err == nil {
		n.close()
		t.Error("listens beyond loopback")
	}
}

func FuzzNameserverAnswer(f *testing.F) {
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 1}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("four.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, _ := q.Pack()
	f.Add(b)
	f.Add([]byte("nonsense"))
	n := &nameserver{
		lookup: func(string) ([]netip.Addr, bool) { return names["both.example"], true },
		mode:   func() string { return "" },
	}
	f.Fuzz(func(t *testing.T, query []byte) {
		answer := n.answer(query, false)
		if answer == nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil || !m.Response {
			t.Fatalf("answered with %x: %v", answer, err)
		}
	})
}
