// Package quantile reads quantiles from sorted measurements.
package quantile

import "time"

// Of returns the smallest value that a share q of sorted does not exceed
// (nearest rank), or 0 if there is none. q is between 0 and 1.
func Of(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}
