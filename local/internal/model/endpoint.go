package model

import (
	"cmp"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/compute"
	"github.com/lakebase-go/lakebase/local/internal/hosts"
)

// Endpoint is what clients connect to. The first of an instance's branch is that
// of the instance.
type Endpoint struct {
	Key          string            `json:"key"` // never changes
	ID           string            `json:"id"`
	UID          string            `json:"uid"`
	ReadOnly     bool              `json:"read_only,omitempty"`
	Created      time.Time         `json:"created"`
	Updated      time.Time         `json:"updated"`
	Disabled     bool              `json:"disabled,omitempty"` // stopped on request
	Settings     Settings          `json:"settings"`
	Availability Availability      `json:"group"`
	PGSettings   map[string]string `json:"pg_settings,omitempty"`
	// StandbyCluster is the name of its standby's data directory, if it has a
	// standby.
	StandbyCluster string      `json:"standby,omitempty"`
	Names          hosts.Names `json:"names"`

	Branch  *Branch          `json:"-"`
	Standby *compute.Compute `json:"-"`
	Change  Change           `json:"-"`
}

// Change is a change of an endpoint that is in progress.
type Change int

// The changes of an endpoint.
const (
	NoChange Change = iota
	Starting
	FailingOver
	Deleting
)

// Path is the endpoint's resource path.
func (e *Endpoint) Path() string { return e.Branch.Path() + "/endpoints/" + e.ID }

// Provisioned reports whether it is the endpoint of an instance that has not been
// upgraded.
func (e *Endpoint) Provisioned() bool { return !e.ReadOnly && e.Branch.Provisioned() }

// Title is the name of its instance, or its resource path.
func (e *Endpoint) Title() string {
	if e.Provisioned() {
		return e.Branch.Project.ID
	}
	return e.Path()
}

// Compute returns the compute that serves the endpoint's main host.
func (e *Endpoint) Compute() *compute.Compute { return e.ComputeOf(hosts.Main) }

// ComputeOf returns the compute that serves the endpoint's host of a kind.
func (e *Endpoint) ComputeOf(kind hosts.Kind) *compute.Compute {
	if e.ReadOnly || kind.IsReadOnly() {
		return e.Standby
	}
	return e.Branch.Compute
}

// Computes returns the endpoint's computes, the standby first.
func (e *Endpoint) Computes() []*compute.Compute {
	var all []*compute.Compute
	if e.Standby != nil {
		all = append(all, e.Standby)
	}
	if !e.ReadOnly {
		all = append(all, e.Branch.Compute)
	}
	return all
}

// WantsStandby reports whether one of its hosts is read-only.
func (e *Endpoint) WantsStandby() bool { return e.ReadOnly || e.Availability.Readable }

// HasHost reports whether the endpoint has a host of that kind.
func (e *Endpoint) HasHost(kind hosts.Kind) bool {
	return !kind.IsReadOnly() || e.Availability.Readable && !e.ReadOnly
}

// Audience returns the audiences of a token for the endpoint. The key of an
// instance's endpoint is the UID of the instance: the credentials of either API
// open it.
func (e *Endpoint) Audience() []string { return []string{e.UID, e.Key} }

// Settings are the size of a compute and when it is suspended.
type Settings struct {
	MinCU     float64       `json:"min_cu"`
	MaxCU     float64       `json:"max_cu"`
	Suspend   time.Duration `json:"suspend,omitempty"` // zero means the server's default
	NoSuspend bool          `json:"no_suspend,omitempty"`
}

// WithDefaults returns s with what it leaves open taken from parent, or else as
// the service sets it.
func (s Settings) WithDefaults(parent Settings) Settings {
	s.MinCU = cmp.Or(s.MinCU, parent.MinCU, 1)
	s.MaxCU = max(cmp.Or(s.MaxCU, parent.MaxCU, 1), s.MinCU)
	if s.Suspend == 0 && !s.NoSuspend {
		s.Suspend, s.NoSuspend = parent.Suspend, parent.NoSuspend
	}
	return s
}

// SuspendAfter returns the idle time after which the compute is suspended: its
// own or else the server's default. Zero means never.
func (s Settings) SuspendAfter(fallback time.Duration) time.Duration {
	if s.NoSuspend {
		return 0
	}
	return cmp.Or(s.Suspend, fallback)
}

// Availability is the high-availability configuration of an endpoint.
type Availability struct {
	Min      int  `json:"min"` // computes
	Max      int  `json:"max"`
	Readable bool `json:"readable,omitempty"` // has readable secondaries
}

// WithDefaults returns a as the service completes it.
func (a Availability) WithDefaults() Availability {
	a.Min = max(a.Min, 1)
	a.Max = max(a.Max, a.Min)
	a.Readable = a.Readable && a.Max > 1
	return a
}
