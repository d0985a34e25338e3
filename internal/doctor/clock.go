package doctor

import "runtime"

func setClock() string { return "set this machine's clock by a time server" }

// setClockCommand is how the system does that.
func setClockCommand() string {
	switch runtime.GOOS {
	case "darwin":
		return "sudo sntp -sS time.apple.com"
	case "windows":
		return "w32tm /resync"
	}
	return "sudo timedatectl set-ntp true"
}
