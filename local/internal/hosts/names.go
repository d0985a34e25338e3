package hosts

import (
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"
)

// Zones of service names. They are under .test, which no public name server
// answers for.
const (
	ProvisionedZone = ".database.lakebase.test"
	AutoscalingZone = ".database.local.lakebase.test"
)

// MaxLabel is the length of the longest label that DNS allows.
const MaxLabel = 63

// Kind is a kind of host that an endpoint can have.
type Kind string

// The kinds of hosts.
const (
	Main           Kind = "main"
	ReadOnly       Kind = "ro" // of the readable secondaries
	Pooled         Kind = "pooler"
	ReadOnlyPooled Kind = "ro-pooler"
)

// Kinds are all kinds of hosts.
var Kinds = []Kind{Main, ReadOnly, Pooled, ReadOnlyPooled}

// IsPooled reports whether k is a pooled host.
func (k Kind) IsPooled() bool { return k == Pooled || k == ReadOnlyPooled }

// IsReadOnly reports whether k is a host of readable secondaries.
func (k Kind) IsReadOnly() bool { return k == ReadOnly || k == ReadOnlyPooled }

// Names are the parts of an endpoint's host names. They are saved, so that its
// hosts survive restarts and upgrades.
type Names struct {
	Machine string       `json:"machine"` // label before .localhost
	Service string       `json:"service"` // first label of the service name
	Zone    string       `json:"zone"`
	Octets  map[Kind]int `json:"octets,omitempty"` // N of each host's own address 127.0.0.N
	Moved   bool         `json:"moved,omitempty"`  // a failover moved it to the other address
}

// service is the service name for kind. Instances have the kind in the middle
// of the label, endpoints at its end.
func (n *Names) service(kind Kind) string {
	label := n.Service
	if kind != Main {
		if id, ok := strings.CutPrefix(n.Service, "instance-"); ok {
			label = "instance-" + string(kind) + "-" + id
		} else {
			label += "-" + string(kind)
		}
	}
	return label + n.Zone
}

// localhost is the name under .localhost for kind: the readable one, or one
// that is certainly free if that is taken or too long.
func (n *Names) localhost(kind Kind, taken func(name string) bool) string {
	suffix := ""
	if kind != Main {
		suffix = "-" + string(kind)
	}
	if name := n.Machine + suffix + ".localhost"; len(n.Machine+suffix) <= MaxLabel && !taken(name) {
		return name
	}
	return n.Service + suffix + ".localhost"
}

// NewEndpointID returns an id like the service's, such as
// ep-calm-river-1a2b3c4d.
func NewEndpointID() string {
	adjectives := []string{"calm", "bold", "green", "quiet", "swift", "warm", "young", "late", "broad", "misty"}
	nouns := []string{"river", "lake", "brook", "delta", "shore", "harbor", "spring", "meadow", "field", "forest"}
	return "ep-" + adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))] + "-" + uuid.NewString()[:8]
}
