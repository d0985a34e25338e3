package model

import "time"

// DefaultRetention is the history retention of a project by default.
const DefaultRetention = 7 * 24 * time.Hour

// Project is an Autoscaling project.
type Project struct {
	ID          string            `json:"id"`
	UID         string            `json:"uid"`
	Display     string            `json:"display"`
	Owner       string            `json:"owner"`
	Created     time.Time         `json:"created"`
	Updated     time.Time         `json:"updated"`
	NativeLogin bool              `json:"native_login"`
	Budget      string            `json:"budget,omitempty"`
	Retention   time.Duration     `json:"retention"`
	Tags        []Tag             `json:"tags,omitempty"`
	Defaults    Settings          `json:"defaults"` // of new endpoints
	Branches    []*Branch         `json:"branches"`
	PGSettings  map[string]string `json:"pg_settings,omitempty"`
}

// Path is the project's resource path.
func (p *Project) Path() string { return "projects/" + p.ID }

// Branch returns the branch with that id, or nil.
func (p *Project) Branch(id string) *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.ID == id })
}

// BranchAt returns the branch with that resource path, or nil.
func (p *Project) BranchAt(path string) *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.Path() == path })
}

// DefaultBranch returns the default branch.
func (p *Project) DefaultBranch() *Branch {
	return find(p.Branches, func(b *Branch) bool { return b.Default })
}
