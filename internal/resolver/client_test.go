package resolver_test

import (
	"context"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lakebase-go/lakebase/internal/resolver"
)

// silent is a name server that receives questions and does not answer.
func silent(t *testing.T) (address string, asked <-chan struct{}) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	questions, done := make(chan struct{}, 16), make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 512); ; {
			if _, _, err := conn.ReadFrom(buf); err != nil {
				return
			}
			questions <- struct{}{}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String(), questions
}

// Go's resolver alone would wait for 5 s, in the call itself or behind it.
func TestClientStopsWithItsCaller(t *testing.T) {
	for name, lookup := range map[string]func(*net.Resolver, context.Context, string) error{
		"LookupHost": func(r *net.Resolver, ctx context.Context, host string) error {
			_, err := r.LookupHost(ctx, host)
			return err
		},
		"LookupNetIP": func(r *net.Resolver, ctx context.Context, host string) error {
			_, err := r.LookupNetIP(ctx, "ip4", host)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			address, asked := silent(t)
			before := goleak.IgnoreCurrent()
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- lookup(resolver.NewClient(true, address), ctx, "name.test.") }()
			<-asked
			cancel()
			select {
			case err := <-result:
				if err == nil {
					t.Error("there is an address")
				}
			case <-time.After(3 * time.Second):
				t.Fatal("the lookup goes on")
			}
			goleak.VerifyNone(t, before)
		})
	}
}
