package sqlscan

import (
	"math/bits"
	"strings"
)

var effectNames = [...]string{
	"Set", "Reset", "SetLocal", "SetConfig", "Discard",
	"Temp", "Listen", "Unlisten", "Prepare", "Deallocate", "Hold", "Close", "Load",
	"AdvisoryLock", "AdvisoryUnlock", "Seed", "Connect", "Sequence", "Opaque",
	"Begin",
}

// String returns the names of the effects for the messages of tests.
func (e Effects) String() string {
	var names []string
	for ; e != 0; e &= e - 1 {
		names = append(names, effectNames[bits.TrailingZeros32(uint32(e))])
	}
	return strings.Join(names, "|")
}
