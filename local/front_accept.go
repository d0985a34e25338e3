package local

import "time"

// acceptBackoff is the pause after a failed accept: out of file descriptors
// must neither spin nor end the listener.
const acceptBackoff = 10 * time.Millisecond
