package local

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

const (
	defaultUser = "dev@example.com"
	// outsiderUser can log in and use nothing: for tests of permissions.
	outsiderUser = "outsider@example.com"
	defaultGroup = "data-team"
)

// newPrincipals are those of a new workspace; the first is its owner.
func newPrincipals(user string) []*principal {
	app := &principal{Kind: identityServicePrincipal, Name: uuid.NewString(), Display: "local-app", Secret: secret("dose")}
	all := []*principal{
		{Kind: identityUser, Name: user, Display: user, Secret: secret("dapi")},
		app,
		{Kind: identityUser, Name: outsiderUser, Display: outsiderUser, Secret: secret("dapi"), Outsider: true},
		{Kind: identityGroup, Name: defaultGroup, Display: defaultGroup, Members: []string{user, app.Name}},
	}
	for i, p := range all {
		p.ID = strconv.Itoa(7_000_000_000_001 + i)
	}
	return all
}

// secret makes one that looks like the service's, which prefixes them by sort.
func secret(prefix string) string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return prefix + hex.EncodeToString(b[:])
}

// groupsOf are the groups that p is a member of.
func (s *state) groupsOf(p *principal) []*principal {
	return keep(s.Principals, func(g *principal) bool {
		return g.Kind == identityGroup && slices.Contains(g.Members, p.Name)
	})
}

// mayLoginAs reports whether a token of subject opens the Postgres role: its
// own, or that of a group it belongs to.
func (s *state) mayLoginAs(subject, role string) bool {
	if subject == role {
		return true
	}
	group := s.principal(role)
	return group != nil && group.Kind == identityGroup && slices.Contains(group.Members, subject)
}
