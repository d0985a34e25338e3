package workspace

import (
	"context"
	"encoding/json"
	"net/url"
)

// list reads every page of a list. The items are in a field of each page.
func list[J, T any](ctx context.Context, c *Client, path, field string, convert func(*J) T) ([]T, error) {
	query := url.Values{"page_size": {"100"}}
	seen := make(map[string]bool)
	var all []T
	for {
		var page map[string]json.RawMessage
		rep, err := c.get(ctx, path, query, &page)
		if err != nil {
			return nil, err
		}
		var items []J
		var token string
		for name, out := range map[string]any{field: &items, "next_page_token": &token} {
			if raw, ok := page[name]; ok {
				if err := json.Unmarshal(raw, out); err != nil {
					return nil, rep.malformed(rep.describe(err))
				}
			}
		}
		for i := range items {
			all = append(all, convert(&items[i]))
		}
		switch {
		case token == "":
			return all, nil
		case seen[token]:
			return nil, rep.malformed("its pages repeat")
		}
		seen[token] = true
		query.Set("page_token", token)
	}
}
