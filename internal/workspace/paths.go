package workspace

import (
	"net/http"
	"net/url"
	"strings"
)

const (
	instancesPath = "/api/2.0/database/instances"
	postgresPath  = "/api/2.0/postgres"
)

// join appends names to a path, escaped, as one segment each. It refuses names
// that would not reach the service unchanged.
func join(path string, names ...string) (string, error) {
	for _, name := range names {
		if err := checkName(http.MethodGet+" "+path, name); err != nil {
			return "", err
		}
		path += "/" + url.PathEscape(name)
	}
	return path, nil
}

func checkName(op, name string) error {
	switch {
	case name == "":
		return invalid(op, "a name is missing")
	case name == "." || name == "..":
		return invalid(op, "%q is not a name", name)
	case len(name) > 255:
		return invalid(op, "a name of %d characters is too long", len(name))
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid(op, "%q has control characters", name)
	}
	return nil
}

func endpointPath(name string) (string, error) {
	return resourcePath(name, "projects", "branches", "endpoints")
}

// resourcePath returns the escaped path of a resource name that must consist
// of the given collections, each followed by an id.
func resourcePath(name string, collections ...string) (string, error) {
	op := "GET " + postgresPath
	want := strings.Join(collections, "/*/") + "/*"
	parts := strings.Split(name, "/")
	if len(parts) != 2*len(collections) {
		return "", invalid(op, "%q is not a resource name of the form %s", name, want)
	}
	path := postgresPath
	for i, collection := range collections {
		if parts[2*i] != collection {
			return "", invalid(op, "%q is not a resource name of the form %s", name, want)
		}
		var err error
		if path, err = join(path+"/"+collection, parts[2*i+1]); err != nil {
			return "", err
		}
	}
	return path, nil
}
