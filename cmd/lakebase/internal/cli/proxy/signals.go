package proxy

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
)

// signals are what a proxy is told from outside.
type signals struct {
	first, second <-chan struct{} // to stop: closed when they come
	hangup        <-chan struct{}
	stop          func()
}

// watchSignals counts the signals to stop from now on. main takes the first one
// too, and would then let the second one end the process.
func watchSignals() signals {
	received := make(chan os.Signal, 8)
	signal.Notify(received, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	first, second, hangup, end := make(chan struct{}), make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
	go func() {
		for stops := 0; ; {
			select {
			case s := <-received:
				if s == syscall.SIGHUP {
					select {
					case hangup <- struct{}{}:
					default: // one reload will do for both
					}
					continue
				}
				switch stops++; stops {
				case 1:
					close(first)
				case 2:
					close(second)
				}
			case <-end:
				return
			}
		}
	}()
	return signals{first, second, hangup, func() {
		signal.Stop(received)
		close(end)
	}}
}

// What a service manager is told, if there is one that asks (sd_notify).
const (
	ready     = daemon.SdNotifyReady
	reloading = daemon.SdNotifyReloading
	stopping  = daemon.SdNotifyStopping
)

// notify tells the service manager, where there is one.
func (r *runner) notify(state string) {
	if state == reloading {
		state += "\n" + daemon.SdNotifyMonotonicUsec()
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.logger.Warn("cannot tell the service manager", "err", err)
	}
}
