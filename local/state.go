package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const stateVersion = 1

// state is all that outlives the process, but for the data itself.
type state struct {
	Version     int          `json:"version"`
	External    bool         `json:"external,omitempty"` // the data is in a server that is not ours
	WorkspaceID string       `json:"workspace_id"`
	AccountID   string       `json:"account_id"`
	Generation  int64        `json:"generation"` // of database tokens; older ones are revoked
	Default     string       `json:"default"`    // key of the endpoint that answers as localhost
	Principals  []*principal `json:"principals"`
	Instances   []*instance  `json:"instances"`
	Projects    []*project   `json:"projects"`
}

// readState reads the state in file. There being none is not an error; the
// result is nil then.
func readState(file string) (*state, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s state
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("%s: %w: restore it, or remove %s to begin anew", file, err, filepath.Dir(file))
	}
	if s.Version != stateVersion {
		return nil, fmt.Errorf("%s has version %d, this program writes %d: remove %s to begin anew", file, s.Version, stateVersion, filepath.Dir(file))
	}
	s.prune()
	s.link()
	return &s, nil
}

func (s *state) marshal() ([]byte, error) { return json.MarshalIndent(s, "", "  ") }

// prune drops what a crash left half made.
func (s *state) prune() {
	s.Instances = keep(s.Instances, func(i *instance) bool { return i.Branch != nil && i.Branch.Ready && len(i.Branch.Endpoints) > 0 })
	for _, p := range s.Projects {
		p.Branches = keep(p.Branches, func(b *branch) bool { return b.Ready && b.primary() != nil })
	}
	s.Projects = keep(s.Projects, func(p *project) bool { return p.defaultBranch() != nil })
}

// link sets the pointers upward.
func (s *state) link() {
	for _, i := range s.Instances {
		i.Branch.instance = i
	}
	for _, p := range s.Projects {
		for _, b := range p.Branches {
			b.project = p
		}
	}
	for _, b := range s.branches() {
		for _, e := range b.Endpoints {
			e.branch = b
		}
	}
}

// branches are all there are, those of instances included.
func (s *state) branches() []*branch {
	var all []*branch
	for _, i := range s.Instances {
		all = append(all, i.Branch)
	}
	for _, p := range s.Projects {
		all = append(all, p.Branches...)
	}
	return all
}

// endpoints are all there are, in the order in which they are listed.
func (s *state) endpoints() []*endpoint {
	var all []*endpoint
	for _, b := range s.branches() {
		all = append(all, b.Endpoints...)
	}
	return all
}

func (s *state) endpoint(key string) *endpoint {
	return find(s.endpoints(), func(e *endpoint) bool { return e.Key == key })
}

func (s *state) instance(name string) *instance {
	return find(s.Instances, func(i *instance) bool { return i.Name == name })
}

func (s *state) project(id string) *project {
	return find(s.Projects, func(p *project) bool { return p.ID == id })
}

func (s *state) principal(name string) *principal {
	return find(s.Principals, func(p *principal) bool { return p.Name == name })
}

// owner is the default user, who owns what nobody else created.
func (s *state) owner() *principal { return s.Principals[0] }

// clusters are the names of the data directories in use.
func (s *state) clusters() map[string]bool {
	used := map[string]bool{}
	for _, b := range s.branches() {
		used[b.Cluster] = true
		for _, e := range b.Endpoints {
			if e.Standby != "" {
				used[e.Standby] = true
			}
		}
	}
	return used
}

// sweep removes data directories that nothing refers to.
func (s *state) sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	used := s.clusters()
	var errs []error
	for _, entry := range entries {
		if !used[entry.Name()] {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, entry.Name())))
		}
	}
	return errors.Join(errs...)
}

func keep[T any](list []*T, wanted func(*T) bool) []*T {
	kept := make([]*T, 0, len(list))
	for _, v := range list {
		if wanted(v) {
			kept = append(kept, v)
		}
	}
	return kept
}
