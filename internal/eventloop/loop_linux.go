//go:build !noeventloop

package eventloop

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// events is how many events one call of epoll_pwait may return.
const events = 64

// Loop waits for the events of its connections. It is safe for concurrent use.
type Loop struct {
	pollers []*poller
	dealt   atomic.Uint32 // connections, to the pollers in turn
}

// New returns a Loop that runs in n goroutines until Close.
func New(n int) (*Loop, error) {
	l := &Loop{}
	for range n {
		p, err := newPoller()
		if err != nil {
			l.Close()
			return nil, err
		}
		l.pollers = append(l.pollers, p)
	}
	return l, nil
}

// Close ends the loop. Connections that are left get no more events.
func (l *Loop) Close() {
	for _, p := range l.pollers {
		p.file.Close()
	}
}

// next returns the poller of the next connection.
func (l *Loop) next() *poller {
	return l.pollers[int(l.dealt.Add(1))%len(l.pollers)]
}

// poller is one goroutine of a Loop.
type poller struct {
	file *os.File // the epoll descriptor
	raw  syscall.RawConn
	fd   int

	mu         sync.Mutex // guards what follows
	targets    []target   // by descriptor
	generation generation
}

// target is a listener or a connection.
type target interface {
	event(what uint32)
	generationOf() *generation
}

// generation tells targets apart that have had the same descriptor, one after the other.
type generation int32

func (g *generation) generationOf() *generation { return g }

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // so that the runtime polls it
		return nil, errors.Join(err, unix.Close(fd))
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	if p.raw, err = p.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	go p.run()
	return p, nil
}

// run handles events until the poller is closed. It does so within one read of the epoll
// descriptor, which remembers what the runtime has reported since it last waited: after
// fewer events than there is room for, it need not ask whether there are more.
func (p *poller) run() {
	var all [events]unix.EpollEvent
	_ = p.raw.Read(func(fd uintptr) bool {
		for n := events; n == events; {
			got, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&all[0])), events, 0, 0, 0)
			if errno == syscall.EINTR {
				continue
			}
			if n = int(got); errno != 0 {
				n = 0
			}
			for i := range all[:n] {
				p.dispatch(&all[i])
			}
		}
		return false
	})
}

func (p *poller) dispatch(e *unix.EpollEvent) {
	p.mu.Lock()
	t := p.targets[e.Fd]
	p.mu.Unlock()
	if t != nil && *t.generationOf() == generation(e.Pad) {
		t.event(e.Events)
	}
}

// add makes t the target of a descriptor's events, of which there is one each time that
// something has changed.
func (p *poller) add(fd int, t target, what uint32) error {
	p.mu.Lock()
	for fd >= len(p.targets) {
		p.targets = append(p.targets, make([]target, len(p.targets)+events)...)
	}
	p.generation++
	*t.generationOf() = p.generation
	p.targets[fd] = t
	e := unix.EpollEvent{Events: what | unix.EPOLLET&0xffffffff, Fd: int32(fd), Pad: int32(p.generation)}
	p.mu.Unlock()
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), unix.EPOLL_CTL_ADD, uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// drop is called before a descriptor is closed, which ends its events.
func (p *poller) drop(fd int) {
	p.mu.Lock()
	p.targets[fd] = nil
	p.mu.Unlock()
}

// maxAccepts is how many connections are accepted before other events are handled.
const maxAccepts = 16

// listener accepts the connections of a net.Listener.
type listener struct {
	generation
	loop     *Loop
	poller   *poller
	fd       int
	accepted func(*Conn)
	failed   func(error)

	mu      sync.Mutex // guards what follows, and accepting
	closed  bool
	failing bool // failed is being called
}

// Accept takes over a TCP or Unix listener and calls accepted with each connection, from
// the loop's goroutine, which it must not hold up. It calls failed with errors, which may
// wait: Accept goes on after it has returned. Closing the result ends it.
func (l *Loop) Accept(from net.Listener, accepted func(*Conn), failed func(error)) (func(), error) {
	raw, err := from.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	a := &listener{loop: l, poller: l.next(), accepted: accepted, failed: failed}
	var dup error
	err = raw.Control(func(fd uintptr) { a.fd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err := errors.Join(err, dup); err != nil {
		return nil, err
	}
	if err := a.poller.add(a.fd, a, unix.EPOLLIN); err != nil {
		return nil, errors.Join(err, unix.Close(a.fd))
	}
	return a.close, nil
}

func (a *listener) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.closed = true
		a.poller.drop(a.fd)
		unix.Close(a.fd)
	}
}

// event accepts what there is, or as much as others should wait for.
func (a *listener) event(uint32) {
	for range maxAccepts {
		if !a.accept() {
			return
		}
	}
	go a.event(0)
}

// accept reports whether there may be more to accept.
func (a *listener) accept() bool {
	a.mu.Lock()
	if a.closed || a.failing {
		a.mu.Unlock()
		return false
	}
	fd, address, err := syscall.Accept4(a.fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC) // unix.Accept4 asks for the protocol, too
	retry := err == syscall.EINTR || err == syscall.ECONNABORTED
	failing := err != nil && err != syscall.EAGAIN && !retry
	a.failing = failing
	a.mu.Unlock()
	switch {
	case failing:
		go a.fail(os.NewSyscallError("accept4", err))
		return false
	case err != nil:
		return retry
	}
	c, err := newConn(a.loop.next(), fd, address)
	if err != nil {
		unix.Close(fd)
		go a.failed(err)
		return true
	}
	a.accepted(c)
	return true
}

// fail reports an error, and then accepts again.
func (a *listener) fail(err error) {
	a.failed(err)
	a.mu.Lock()
	a.failing = false
	a.mu.Unlock()
	a.event(0)
}
