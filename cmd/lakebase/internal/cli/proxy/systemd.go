package proxy

import "github.com/coreos/go-systemd/v22/daemon"

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
