package frontend

import "strings"

// endpointOption splits startup options at the item that names an endpoint, for
// clients that cannot send a server name: it returns the endpoint's id, and the
// options without it. Items are separated by spaces; a backslash takes the next
// character literally.
func endpointOption(options string) (id, rest string) {
	var kept []string
	found := false
	for _, item := range splitOptions(options) {
		value, ok := strings.CutPrefix(item, "endpoint=")
		if !ok {
			kept = append(kept, item)
			continue
		}
		if !found {
			id, found = value, true
		}
	}
	if !found {
		return "", options
	}
	return id, strings.Join(kept, " ")
}

// splitOptions splits at spaces and does not interpret the items.
func splitOptions(options string) []string {
	var items []string
	start, escaped := -1, false
	for i := range len(options) {
		space := !escaped && strings.IndexByte(" \t\n\v\f\r", options[i]) >= 0
		escaped = !escaped && options[i] == '\\'
		switch {
		case space && start >= 0:
			items, start = append(items, options[start:i]), -1
		case !space && start < 0:
			start = i
		}
	}
	if start >= 0 {
		items = append(items, options[start:])
	}
	return items
}
