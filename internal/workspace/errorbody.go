package workspace

import (
	"bytes"
	"cmp"
	"encoding/json"
	"mime"
	"regexp"
	"strings"
)

// parseError reads the code and text of an error, in any of the forms that the
// service and proxies in front of it send.
func parseError(body []byte) (code, message string) {
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		if code, message, ok := parseJSONError(body); ok {
			return code, message
		}
	}
	plain := string(body)
	if isHTML(plain) {
		return "", htmlText(plain)
	}
	if m := codeAndText.FindStringSubmatch(plain); m != nil {
		return m[1], m[2]
	}
	return "", plain
}

func parseJSONError(body []byte) (code, message string, ok bool) {
	var e struct {
		Code        json.RawMessage   `json:"error_code"`
		Message     text              `json:"message"`
		Details     []json.RawMessage `json:"details"`
		Error       json.RawMessage   `json:"error"`             // API 1.2, OAuth
		Description text              `json:"error_description"` // OAuth
		Detail      text              `json:"detail"`            // SCIM
		ScimType    text              `json:"scimType"`
	}
	if json.Unmarshal(body, &e) != nil {
		return "", "", false
	}
	code = strings.Trim(string(e.Code), `"`)
	if code == "null" {
		code = ""
	}
	message = string(e.Message)
	switch {
	case e.Detail != "": // RFC 7644 section 3.12
		code = cmp.Or(code, string(e.ScimType))
		message = cmp.Or(message, string(e.Detail))
	case len(e.Error) > 0:
		innerCode, innerMessage := parseInnerError(e.Error)
		if e.Description != "" { // RFC 6749 section 5.2
			innerCode, innerMessage = cmp.Or(innerCode, innerMessage), string(e.Description)
		}
		code, message = cmp.Or(code, innerCode), cmp.Or(message, innerMessage)
	}
	if id := requestID(e.Details); id != "" {
		message += " (request " + id + ")"
	}
	return code, message, true
}

// parseInnerError reads {"error": "text"} and {"error": {"code", "message"}}.
func parseInnerError(raw json.RawMessage) (code, message string) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return "", s
	}
	var o struct {
		Status  text `json:"status"`
		Message text `json:"message"`
	}
	if json.Unmarshal(raw, &o) == nil {
		return string(o.Status), string(o.Message)
	}
	return "", ""
}

func requestID(details []json.RawMessage) string {
	for _, d := range details {
		var info struct {
			Type string `json:"@type"`
			ID   string `json:"request_id"`
		}
		if json.Unmarshal(d, &info) == nil && strings.HasSuffix(info.Type, "google.rpc.RequestInfo") {
			return info.ID
		}
	}
	return ""
}

// text is a string that decodes from any JSON value, so that one field of
// another type does not lose the rest.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = text(s)
	}
	return nil
}

var (
	codeAndText = regexp.MustCompile(`(?s)^([A-Z][A-Z0-9_]+): (.+)$`)
	htmlTitle   = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)
	htmlPre     = regexp.MustCompile(`(?is)<pre[^>]*>(.*?)</pre>`)
	htmlTag     = regexp.MustCompile(`<[^>]*>`)
)

func isJSON(contentType string) bool {
	t, _, err := mime.ParseMediaType(contentType)
	return err == nil && (t == "application/json" || strings.HasSuffix(t, "+json"))
}

func isHTML(s string) bool {
	s = strings.ToLower(s[:min(len(s), 256)])
	return strings.HasPrefix(s, "<!doctype html") || strings.Contains(s, "<html") || strings.Contains(s, "<head")
}

// htmlText is the message of a gateway's page: preformatted text or the title.
func htmlText(page string) string {
	for _, re := range []*regexp.Regexp{htmlPre, htmlTitle} {
		if m := re.FindStringSubmatch(page); m != nil {
			if s := strings.TrimSpace(htmlTag.ReplaceAllString(m[1], " ")); s != "" {
				return s
			}
		}
	}
	return "an HTML page"
}
