package rest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/apierror"
)

// resource is a resource of a project on the wire. Requests have a spec, replies
// a status, which share most of their fields.
type resource[F any] struct {
	common
	Spec   F  `json:"spec,omitzero"`
	Status *F `json:"status,omitempty"`
}

// common is what all resources of a project have on the wire.
type common struct {
	Name       string    `json:"name"`
	UID        string    `json:"uid,omitempty"`
	Parent     string    `json:"parent,omitempty"`
	CreateTime time.Time `json:"create_time,omitzero"`
	UpdateTime time.Time `json:"update_time,omitzero"`
}

// protoDuration is a duration in the JSON of protobuf: "300s", "1.5s".
type protoDuration time.Duration

func (d protoDuration) MarshalJSON() ([]byte, error) {
	return json.Marshal(strconv.FormatFloat(time.Duration(d).Seconds(), 'f', -1, 64) + "s")
}

func (d *protoDuration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	digits, ok := strings.CutSuffix(s, "s")
	seconds, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || seconds != seconds || seconds > 1e9 || seconds < -1e9 {
		return apierror.Invalid("'%s' is not a duration: expected seconds with the suffix s, such as 300s", s)
	}
	*d = protoDuration(seconds * float64(time.Second))
	return nil
}

// fieldMask is the set of fields that an update names.
type fieldMask []string

// everything is the mask of a creation.
var everything = fieldMask{"*"}

// updateMask parses the call's update_mask: a list of paths, or * for all fields
// of the body. It must be there, and have only known paths.
func updateMask(c *Call, known []string) (fieldMask, error) {
	mask := c.URL.Query().Get("update_mask")
	if mask == "" {
		return nil, apierror.Required("update_mask")
	}
	paths := strings.Split(strings.ReplaceAll(mask, " ", ""), ",")
	for _, path := range paths {
		if path != "*" && !slices.Contains(known, path) {
			return nil, apierror.Invalid("Unknown field path in update_mask: '%s'", path)
		}
	}
	return paths, nil
}

// has reports whether the mask names path or one of its parents.
func (m fieldMask) has(path string) bool {
	return slices.ContainsFunc(m, func(p string) bool { return p == "*" || p == path || strings.HasPrefix(path, p+".") })
}

// replace sets a field to the value of a request if the mask names it.
func replace[T any](m fieldMask, path string, field *T, value T) {
	if m.has(path) {
		*field = value
	}
}

// set is replace for a field that stays if the request has no value.
func set[T comparable](m fieldMask, path string, field *T, value T) {
	var none T
	if value != none {
		replace(m, path, field, value)
	}
}

// setBool is set for a field that a request may set to false.
func setBool(m fieldMask, path string, field, value *bool) {
	if value != nil {
		replace(m, path, field, *value)
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

func pointer[T any](v T) *T { return &v }

// Sizes of the pages of a list.
const (
	maxPage     = 100
	defaultPage = 50
)

// list is the reply of a list call: the page that the call asks for, as field,
// and the token of the next one, which is opaque to clients.
func list[T, J any](c *Call, field string, all []T, render func(T) J) (any, error) {
	query := c.URL.Query()
	size, start := defaultPage, 0
	var err error
	if s := query.Get("page_size"); s != "" && s != "0" {
		if size, err = strconv.Atoi(s); err != nil || size < 1 || size > maxPage {
			return nil, apierror.Invalid("page_size must be between 1 and %d, got '%s'.", maxPage, s)
		}
	}
	if t := query.Get("page_token"); t != "" {
		if start, err = strconv.Atoi(t); err != nil || start < 0 || start > len(all) {
			return nil, apierror.Invalid("page_token is not one that a previous call returned")
		}
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
		reply["next_page_token"] = strconv.Itoa(end)
	}
	return reply, nil
}
