package proxy

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
)

// signals are the signals that the process receives.
type signals struct {
	first, second <-chan struct{} // closed by the signals to stop
	hangup        <-chan struct{} // receives for each SIGHUP, or for several
	stop          func()
}

// watchSignals starts to count the signals to stop. main handles the first one
// too, and lets the second one end the process if nothing else handles it.
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
					default: // one reload serves both
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

// States that a service manager is notified of (sd_notify).
const (
	ready     = daemon.SdNotifyReady
	reloading = daemon.SdNotifyReloading
	stopping  = daemon.SdNotifyStopping
)

// notify notifies the service manager, if there is one.
func (r *runner) notify(state string) {
	if state == reloading {
		state += "\n" + daemon.SdNotifyMonotonicUsec()
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		r.logger.Warn("service manager not notified", "error", err)
	}
}
