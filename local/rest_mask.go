package local

import (
	"slices"
	"strings"
)

// fieldMask is the set of fields that an update names.
type fieldMask struct {
	all   bool
	paths []string
}

// updateMask reads the call's update_mask: a list of paths, or * for all
// that the body has. Paths that the resource does not have are refused, as
// are unnamed updates.
func updateMask(c *call, known []string) (fieldMask, error) {
	mask := c.URL.Query().Get("update_mask")
	if mask == "" {
		return fieldMask{}, errRequired("update_mask")
	}
	var m fieldMask
	for path := range strings.SplitSeq(mask, ",") {
		path = strings.TrimSpace(path)
		switch {
		case path == "*":
			m.all = true
		case slices.Contains(known, path):
			m.paths = append(m.paths, path)
		default:
			return fieldMask{}, errInvalid("Unknown field path in update_mask: '%s'", path)
		}
	}
	return m, nil
}

// has reports whether the mask names path or something around it.
func (m fieldMask) has(path string) bool {
	if m.all {
		return true
	}
	return slices.ContainsFunc(m.paths, func(p string) bool { return p == path || strings.HasPrefix(path, p+".") })
}
