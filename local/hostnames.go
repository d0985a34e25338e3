package local

import (
	"math/rand/v2"
	"strings"

	"github.com/google/uuid"
)

// Zones of the service names. They are under .test, which no real name
// server answers for.
const (
	provisionedZone = ".database.lakebase.test"
	autoscalingZone = ".database.local.lakebase.test"
)

// maxLabel is the longest label that DNS allows.
const maxLabel = 63

// endpointNames are what an endpoint's host names are made of. They are kept
// so that a host survives restarts and upgrades.
type endpointNames struct {
	Machine string           `json:"machine"` // label before .localhost
	Service string           `json:"service"` // first label of the service's name
	Zone    string           `json:"zone"`
	Octets  map[doorKind]int `json:"octets,omitempty"` // last part of each door's own 127.0.0.N
	Moved   bool             `json:"moved,omitempty"`  // a failover took it to the other address
}

// label is the first label of the service's name for kind. Provisioned
// instances carry the kind in the middle, endpoints at the end.
func (n endpointNames) label(kind doorKind) string {
	if kind == doorMain {
		return n.Service
	}
	if id, ok := strings.CutPrefix(n.Service, "instance-"); ok {
		return "instance-" + string(kind) + "-" + id
	}
	return n.Service + "-" + string(kind)
}

// newEndpointUID makes an id like the service's, ep-calm-river-1a2b3c4d.
func newEndpointUID() string {
	adjectives := []string{"calm", "bold", "green", "quiet", "swift", "warm", "young", "late", "broad", "misty"}
	nouns := []string{"river", "lake", "brook", "delta", "shore", "harbor", "spring", "meadow", "field", "forest"}
	return "ep-" + adjectives[rand.IntN(len(adjectives))] + "-" + nouns[rand.IntN(len(nouns))] + "-" + uuid.NewString()[:8]
}
