package local

import "strings"

// withoutEndpoint returns a startup packet's options without the item that
// names an endpoint, which is for the front: the way to route a client that
// sends no server name. Items are separated by spaces; a backslash takes the
// next character literally.
func withoutEndpoint(options string) string {
	var kept []string
	found := false
	for _, item := range splitOptions(options) {
		if strings.HasPrefix(item, "endpoint=") {
			found = true
			continue
		}
		kept = append(kept, item)
	}
	if !found {
		return options
	}
	return strings.Join(kept, " ")
}

// splitOptions splits at spaces and leaves the items as they are written.
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
