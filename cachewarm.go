package lakebase

import "time"

// warmInterval is the longest that the background refresh goes without
// looking at the clock: a timer stands still while the machine sleeps.
const warmInterval = 30 * time.Second

// startRefresh keeps the token warm in the background until stopRefresh or
// close. Both may be called any number of times.
func (c *tokenCache) startRefresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.stopWarming != nil {
		return
	}
	stop := make(chan struct{})
	c.stopWarming = stop
	c.work.Go(func() { c.keepWarm(stop) })
}

// stopRefresh ends what startRefresh began.
func (c *tokenCache) stopRefresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopWarming == nil {
		return
	}
	close(c.stopWarming)
	c.stopWarming = nil
	if c.flight != nil {
		signal(c.flight.wake) // it may have no one left to fly for
	}
}

func (c *tokenCache) keepWarm(stop chan struct{}) {
	defer signal(c.poke) // it may have taken one that was meant for its successor
	for {
		timer := time.NewTimer(c.warm(stop))
		select {
		case <-timer.C:
		case <-c.poke:
		case <-stop:
			timer.Stop()
			return
		case <-c.closing.Done():
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

// warm starts a refresh if one is due and returns when to look again.
func (c *tokenCache) warm(stop chan struct{}) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.stopWarming != stop || c.flight != nil {
		return warmInterval // the end of the flight is signalled
	}
	now := c.opts.now()
	wait := c.pace.due(false) - now.mono
	reason := reasonBackground
	if e := c.current.Load(); e == nil {
		reason = c.missingReason()
	} else {
		wait = max(wait, e.staleAfter-e.age(now))
	}
	if wait <= 0 {
		c.launch(reason)
		return warmInterval
	}
	return min(wait, warmInterval)
}
