package doctor

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/lakebase-go/lakebase/internal/steps"
)

// address is one address of a server.
type address struct {
	server steps.Server
	ip     string
}

func (a address) String() string { return hostPort(a.ip, a.server.Port) }

func (a address) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", a.String())
}

func (a address) isLoopback() bool { return net.ParseIP(a.ip).IsLoopback() }

func hostPort(host string, port uint16) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// isSocket reports whether host is the directory of a Unix socket.
func isSocket(host string) bool { return strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") }

func isTimeout(err error) bool {
	var e net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &e) && e.Timeout()
}

// reason is the part of a network error that differs between failures.
func reason(err error) string {
	var number syscall.Errno
	switch {
	case isTimeout(err):
		return "no answer"
	case errors.As(err, &number):
		return number.Error()
	}
	return err.Error()
}
