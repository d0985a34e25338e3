package model

import (
	"crypto/subtle"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// The kinds of identity, as both APIs spell them.
const (
	User             = "USER"
	ServicePrincipal = "SERVICE_PRINCIPAL"
	Group            = "GROUP"
)

const (
	// DefaultUser is the default user's name by default.
	DefaultUser = "dev@example.com"
	// OutsiderUser can log in to the workspace and has no permission in it.
	OutsiderUser = "outsider@example.com"
	// DefaultGroup has the default user and the service principal as members.
	DefaultGroup = "data-team"
)

// Principal is an identity of the workspace. Its name is also the name of its
// Postgres role.
type Principal struct {
	ID      string   `json:"id"` // SCIM id
	Kind    string   `json:"kind"`
	Name    string   `json:"name"` // email address, application id or name of the group
	Display string   `json:"display"`
	Secret  string   `json:"secret,omitempty"`  // a user's access token, a service principal's OAuth secret
	Members []string `json:"members,omitempty"` // names, of a group
	// Outsider has no permission in the workspace.
	Outsider bool `json:"outsider,omitempty"`
}

// HasSecret compares secret with the principal's in constant time.
func (p *Principal) HasSecret(secret string) bool {
	return p.Secret != "" && subtle.ConstantTimeCompare([]byte(p.Secret), []byte(secret)) == 1
}

// Principals are the identities of a workspace, the default user first. Ever more
// are added, and none changes. They are safe for concurrent use.
type Principals struct {
	mu  sync.RWMutex
	all []*Principal
}

// init adds the principals of a new workspace.
func (l *Principals) init(user string) {
	l.add(&Principal{Kind: User, Name: user, Display: user, Secret: newSecret("dapi")})
	app := l.add(&Principal{Kind: ServicePrincipal, Name: uuid.NewString(), Display: "local-app", Secret: newSecret("dose")})
	l.add(&Principal{Kind: User, Name: OutsiderUser, Display: OutsiderUser, Secret: newSecret("dapi"), Outsider: true})
	l.add(&Principal{Kind: Group, Name: DefaultGroup, Display: DefaultGroup, Members: []string{user, app.Name}})
}

func (l *Principals) add(p *Principal) *Principal {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.ID = strconv.Itoa(7_000_000_000_001 + len(l.all))
	l.all = append(l.all, p)
	return p
}

// Create returns the principal with that display name, which it adds if there is
// none: a user with an access token for an email address, or else a service
// principal with an OAuth secret. It is an error for the name of a group.
func (l *Principals) Create(display string) (*Principal, error) {
	if p := find(l.All(), func(p *Principal) bool { return p.Display == display || p.Name == display }); p != nil {
		if p.Kind == Group {
			return nil, apierror.Exists("%s is a group", display)
		}
		return p, nil
	}
	switch {
	case display == "" || len(display) > 63:
		return nil, apierror.Invalid("the name of a principal must have 1 to 63 bytes, got '%s'.", display)
	case strings.TrimSpace(display) != display || strings.ContainsFunc(display, unicode.IsControl):
		return nil, apierror.Invalid("the name of a principal must not begin or end with a space, and have no control characters, got %q.", display)
	case strings.Contains(display, "@"):
		return l.add(&Principal{Kind: User, Name: display, Display: display, Secret: newSecret("dapi")}), nil
	}
	return l.add(&Principal{Kind: ServicePrincipal, Name: uuid.NewString(), Display: display, Secret: newSecret("dose")}), nil
}

// All returns the principals so far.
func (l *Principals) All() []*Principal {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.all)
}

// MarshalJSON returns a list.
func (l *Principals) MarshalJSON() ([]byte, error) { return json.Marshal(l.All()) }

// UnmarshalJSON reads the result of MarshalJSON.
func (l *Principals) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &l.all) }

// newSecret returns a secret that looks like the service's, whose prefixes say
// what they are for. A random UUID has 122 bits of crypto/rand.
func newSecret(prefix string) string { return prefix + strings.ReplaceAll(uuid.NewString(), "-", "") }

// Principal returns the principal with that name, or nil.
func (s *State) Principal(name string) *Principal {
	return find(s.Principals.All(), func(p *Principal) bool { return p.Name == name })
}

// Owner is the default user.
func (s *State) Owner() *Principal { return s.Principals.All()[0] }

// UserWithToken returns the user with that access token, or nil.
func (s *State) UserWithToken(token string) *Principal {
	return find(s.Principals.All(), func(p *Principal) bool { return p.Kind == User && p.HasSecret(token) })
}

// GroupsOf returns the groups that p is a member of.
func (s *State) GroupsOf(p *Principal) []*Principal {
	var groups []*Principal
	for _, g := range s.Principals.All() {
		if g.Kind == Group && slices.Contains(g.Members, p.Name) {
			groups = append(groups, g)
		}
	}
	return groups
}

// MayLoginAs reports whether a token of subject is valid for the Postgres role:
// its own, or that of a group it is a member of.
func (s *State) MayLoginAs(subject, role string) bool {
	if subject == role {
		return true
	}
	group := s.Principal(role)
	return group != nil && group.Kind == Group && slices.Contains(group.Members, subject)
}

// KindOf returns the kind of the identity of an OAuth role, by its name where
// the workspace has no such principal: service principals have UUIDs, users
// email addresses.
func (s *State) KindOf(role string) string {
	if p := s.Principal(role); p != nil {
		return p.Kind
	}
	if _, err := uuid.Parse(role); err == nil {
		return ServicePrincipal
	}
	if strings.Contains(role, "@") {
		return User
	}
	return Group
}
