package model

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// idPattern is the service's rule for ids.
var idPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

const maxID = 63

// Record maps an id of the Autoscaling API to a name in Postgres.
type Record struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Updated time.Time `json:"updated"`
}

// Records are the records of the roles or databases of a branch. What was
// created in SQL has none, and gets the id of IDFor.
type Records []Record

// Of returns the record of a name, or one with the id of IDFor and both times
// set to fallback.
func (r Records) Of(name string, fallback time.Time) Record {
	if i := slices.IndexFunc(r, func(n Record) bool { return n.Name == name }); i >= 0 {
		return r[i]
	}
	return Record{ID: IDFor(name), Name: name, Created: fallback, Updated: fallback}
}

// Put adds n, in place of records with its id or name.
func (r *Records) Put(n Record) {
	r.Remove(n.ID, n.Name)
	*r = append(*r, n)
}

// Remove removes the records with that id or name.
func (r *Records) Remove(id, name string) {
	*r = slices.DeleteFunc(*r, func(n Record) bool { return n.ID == id || n.Name == name })
}

var notIDChars = regexp.MustCompile(`[^a-z0-9]+`)

// IDFor returns the id that the API gives to what was created in SQL.
func IDFor(name string) string {
	id := strings.Trim(notIDChars.ReplaceAllString(strings.ToLower(name), "-"), "-")
	if id == "" || id[0] < 'a' || id[0] > 'z' {
		id = strings.TrimSuffix("r-"+id, "-")
	}
	return strings.TrimSuffix(id[:min(len(id), maxID)], "-")
}
