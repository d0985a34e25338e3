package rest

import (
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// fieldMask is the set of fields that an update names.
type fieldMask struct {
	all   bool
	paths []string
}

// updateMask parses the call's update_mask: a list of paths, or * for all fields
// of the body. It must be there, and have only known paths.
func updateMask(c *Call, known []string) (fieldMask, error) {
	mask := c.URL.Query().Get("update_mask")
	if mask == "" {
		return fieldMask{}, apierror.Required("update_mask")
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
			return fieldMask{}, apierror.Invalid("Unknown field path in update_mask: '%s'", path)
		}
	}
	return m, nil
}

// has reports whether the mask names path or one of its parents.
func (m fieldMask) has(path string) bool {
	return m.all || slices.ContainsFunc(m.paths, func(p string) bool { return p == path || strings.HasPrefix(path, p+".") })
}
