package proxy

// consoleName is what the console calls the database of a pool.
func consoleName(p PoolInfo) string { return poolName(p.Target, p.Database) }

// mergePools makes one of the pools of the same name: clients that replicate
// have sessions beside the pool of their database, and a database can be named
// like its target.
func mergePools(pools []PoolInfo, name func(PoolInfo) string) (merged []PoolInfo) {
	at := map[string]int{}
	for _, p := range pools {
		i, ok := at[name(p)]
		if !ok {
			at[name(p)] = len(merged)
			merged = append(merged, p)
			continue
		}
		m := &merged[i]
		if p.Mode == TransactionMode {
			m.Mode, m.Limit, m.Paused, m.OldestWait, m.LastError = p.Mode, p.Limit, p.Paused, p.OldestWait, p.LastError
		}
		m.ClientsActive += p.ClientsActive
		m.ClientsIdle += p.ClientsIdle
		m.ClientsWaiting += p.ClientsWaiting
		m.ServersActive += p.ServersActive
		m.ServersPinned += p.ServersPinned
		m.ServersIdle += p.ServersIdle
		m.ServersResting += p.ServersResting
		m.ServersConnecting += p.ServersConnecting
		m.Totals.add(p.Totals)
	}
	return merged
}
