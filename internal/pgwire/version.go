package pgwire

import "fmt"

// Version is a protocol version: the major version in the upper 16 bits, the minor
// version in the lower 16 bits.
type Version uint32

// Protocol versions in use.
const (
	Version30 Version = 3 << 16
	Version32 Version = 3<<16 | 2 // cancel keys of up to 256 bytes
)

// Major returns the major version.
func (v Version) Major() int { return int(v >> 16) }

// Minor returns the minor version.
func (v Version) Minor() int { return int(v & 0xffff) }

func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major(), v.Minor()) }
