package rest

import (
	"encoding/base64"
	"strconv"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// Sizes of the pages of a list.
const (
	maxPage     = 100
	defaultPage = 50
)

// list is the reply of a list call: the page that the call asks for, as field,
// and the token of the next one, which is opaque to clients.
func list[T, J any](c *Call, field string, all []T, render func(T) J) (any, error) {
	start, size, err := pageOf(c, len(all))
	if err != nil {
		return nil, err
	}
	end := min(start+size, len(all))
	reply := map[string]any{}
	var page []J
	for _, v := range all[start:end] {
		page = append(page, render(v))
	}
	if page != nil {
		reply[field] = page
	}
	if end < len(all) {
		reply["next_page_token"] = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return reply, nil
}

// pageOf returns the page that the call asks for.
func pageOf(c *Call, length int) (start, size int, err error) {
	query := c.URL.Query()
	size = defaultPage
	if s := query.Get("page_size"); s != "" {
		if size, err = strconv.Atoi(s); err != nil || size < 0 || size > maxPage {
			return 0, 0, apierror.Invalid("page_size must be between 1 and %d, got '%s'.", maxPage, s)
		}
		if size == 0 {
			size = defaultPage
		}
	}
	if t := query.Get("page_token"); t != "" {
		raw, err := base64.RawURLEncoding.DecodeString(t)
		if err == nil {
			start, err = strconv.Atoi(string(raw))
		}
		if err != nil || start < 0 || start > length {
			return 0, 0, apierror.Invalid("page_token is not one that a previous call returned")
		}
	}
	return start, size, nil
}
