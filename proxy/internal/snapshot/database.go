package snapshot

// Database names one database of a target. As a pattern, an empty field stands
// for every name.
type Database struct{ Target, Name string }

// Matches reports whether d, as a pattern, includes other.
func (d Database) Matches(other Database) bool {
	return (d.Target == "" || d.Target == other.Target) && (d.Name == "" || d.Name == other.Name)
}

// String returns the database name by which clients reach the database.
func (d Database) String() string {
	if d.Name == d.Target {
		return d.Target
	}
	return d.Target + "/" + d.Name
}
