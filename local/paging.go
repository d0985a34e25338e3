package local

import (
	"encoding/base64"
	"strconv"
)

const (
	maxPage     = 100
	defaultPage = 50
)

// page cuts the part out of list that the call asks for, and returns the
// token for the next. Tokens are opaque to clients.
func page[T any](c *call, list []T) (part []T, next string, err error) {
	query := c.URL.Query()
	size, start := defaultPage, 0
	if s := query.Get("page_size"); s != "" {
		if size, err = strconv.Atoi(s); err != nil || size < 0 || size > maxPage {
			return nil, "", errInvalid("page_size must be between 1 and %d, got '%s'.", maxPage, s)
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
		if err != nil || start < 0 || start > len(list) {
			return nil, "", errInvalid("page_token is not one that a previous call returned")
		}
	}
	end := min(start+size, len(list))
	if end < len(list) {
		next = base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(end)))
	}
	return list[start:end], next, nil
}
