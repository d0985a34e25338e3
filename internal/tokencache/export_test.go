package tokencache

const (
	FirstTimeout   = firstTimeout
	FetchTimeout   = fetchTimeout
	MinBackoff     = minBackoff
	MaxBackoff     = maxBackoff
	MinAwaited     = minAwaited
	MaxAwaited     = maxAwaited
	LatePatience   = latePatience
	MaxRetryAfter  = maxRetryAfter
	RejectInterval = rejectInterval
	CheckInterval  = checkInterval
)

// InFlight reports whether a refresh is in progress.
func (c *Cache) InFlight() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flight != nil
}

// HasToken reports whether c has a token that is not expired, without starting
// a refresh.
func (c *Cache) HasToken() bool { return c.usable() != nil }
