package handlers

import (
	"encoding/base64"
	"strings"
)

// readable is a text with whatever of it is base64 in plain words beside it.
func readable(text string) string {
	for _, as := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if raw, err := as.DecodeString(strings.TrimSpace(text)); err == nil && len(raw) > 0 {
			return text + " " + string(raw)
		}
	}
	return text
}
