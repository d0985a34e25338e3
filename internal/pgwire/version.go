package pgwire

import "fmt"

// Version is a protocol version: the major in the upper 16 bits, the minor in
// the lower ones.
type Version uint32

// Protocol versions in use.
const (
	Version30 Version = 3 << 16
	Version32 Version = 3<<16 | 2 // cancel keys of up to 256 bytes
)

// Major and Minor are the two halves.
func (v Version) Major() int { return int(v >> 16) }
func (v Version) Minor() int { return int(v & 0xffff) }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }
