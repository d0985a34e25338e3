// Package model has the objects of a local workspace: principals, database
// instances, projects with branches and endpoints. They are saved as one file
// of JSON.
package model

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

const stateVersion = 2

// State is all that survives the process except for the data itself. Its ids
// never change, so that they can be read without a lock; neither do its
// principals need one.
type State struct {
	Version     int        `json:"version"`
	External    bool       `json:"external,omitempty"` // the data is in a server of the user's
	WorkspaceID string     `json:"workspace_id"`
	AccountID   string     `json:"account_id"`
	Generation  int64      `json:"generation"` // of database tokens; older ones are revoked
	Default     string     `json:"default"`    // key of the default endpoint
	Principals  Principals `json:"principals"`
	Projects    []*Project `json:"projects"`
}

// NewState returns the state of a new workspace. user is the name of its
// default user.
func NewState(user string, external bool) *State {
	s := &State{
		Version:     stateVersion,
		External:    external,
		WorkspaceID: strconv.FormatInt(1e15+rand.Int64N(8e15), 10),
		AccountID:   uuid.NewString(),
	}
	s.Principals.init(user)
	return s
}

// ReadState reads the state in file. It returns nil if there is no file.
func ReadState(file string) (*State, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w: restore it, or remove %s to begin anew", file, err, filepath.Dir(file))
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("%s has version %d, this program writes %d: remove %s to begin anew", file, s.Version, stateVersion, filepath.Dir(file))
	}
	s.link()
	s.prune()
	return &s, nil
}

// prune removes what a crash left incomplete. If the default endpoint is gone,
// the first of the others takes its place.
func (s *State) prune() {
	for _, p := range s.Projects {
		p.Branches = slices.DeleteFunc(p.Branches, func(b *Branch) bool { return !b.Ready || b.Primary() == nil })
	}
	s.Projects = slices.DeleteFunc(s.Projects, func(p *Project) bool { return p.DefaultBranch() == nil })
	if all := s.Endpoints(); s.Endpoint(s.Default) == nil && len(all) > 0 {
		s.Default = all[0].Key
	}
}

// link sets the pointers to parents.
func (s *State) link() {
	for _, p := range s.Projects {
		if p.Instance != nil {
			p.Instance.Project = p
		}
		for _, b := range p.Branches {
			b.Project = p
		}
	}
	for _, b := range s.Branches() {
		for _, e := range b.Endpoints {
			e.Branch = b
		}
	}
}

// Branches returns all branches, those of instances first, and deleted ones too.
func (s *State) Branches() []*Branch {
	var instances, others []*Branch
	for _, p := range s.Projects {
		if p.Provisioned() {
			instances = append(instances, p.Branches...)
		} else {
			others = append(others, p.Branches...)
		}
	}
	return append(instances, others...)
}

// Endpoints returns all endpoints in the order in which they are listed, without
// those that are deleted.
func (s *State) Endpoints() []*Endpoint {
	var all []*Endpoint
	for _, b := range s.Branches() {
		if !b.Gone() {
			all = append(all, b.Endpoints...)
		}
	}
	return all
}

// Endpoint returns the endpoint with that key, or nil.
func (s *State) Endpoint(key string) *Endpoint {
	return find(s.Endpoints(), func(e *Endpoint) bool { return e.Key == key })
}

// EndpointWithUID returns the endpoint with that UID, or nil.
func (s *State) EndpointWithUID(uid string) *Endpoint {
	return find(s.Endpoints(), func(e *Endpoint) bool { return e.UID == uid })
}

// Project returns the project with that id, which may be deleted, or nil.
func (s *State) Project(id string) *Project {
	return find(s.Projects, func(p *Project) bool { return p.ID == id })
}

// Target returns the endpoint that a target names: an instance or a project by
// its name, or a resource path whose end may be omitted. "" is the default.
func (s *State) Target(target string) (*Endpoint, error) {
	if target == "" {
		if e := s.Endpoint(s.Default); e != nil {
			return e, nil
		}
		return nil, errors.New("there is no default target any more: name one")
	}
	if strings.Contains(target, "/") {
		return s.EndpointAt(target)
	}
	if p := s.Project(target); p != nil && !p.Gone() {
		return p.DefaultBranch().Primary(), nil
	}
	return nil, apierror.MissingInstance(target)
}

// EndpointAt returns the endpoint at a path projects/p[/branches/b[/endpoints/e]].
func (s *State) EndpointAt(path string) (*Endpoint, error) {
	part := strings.Split(path, "/")
	if part[0] != "projects" || len(part)%2 != 0 || len(part) > 6 ||
		len(part) > 2 && part[2] != "branches" || len(part) > 4 && part[4] != "endpoints" {
		return nil, apierror.NotAPath(path)
	}
	p := s.Project(part[1])
	if p == nil || p.Gone() {
		return nil, apierror.Missing("project")
	}
	b := p.DefaultBranch()
	if len(part) > 2 {
		b = p.Branch(part[3])
	}
	if b == nil || b.Gone() {
		return nil, apierror.Missing("branch")
	}
	e := b.Primary()
	if len(part) > 4 {
		e = b.Endpoint(part[5])
	}
	if e == nil {
		return nil, apierror.Missing("endpoint")
	}
	return e, nil
}

func find[T any](list []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(list, match); i >= 0 {
		return list[i]
	}
	return nil
}
