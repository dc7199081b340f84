package kubetest

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// openAPI answers /openapi/v3, which names a document for each group version, and those documents.
func (c *call) openAPI(parts []string) bool {
	if c.r.Method != http.MethodGet || len(parts) < 2 || parts[0] != "openapi" || parts[1] != "v3" {
		return false
	}
	if len(parts) == 2 {
		type item struct {
			ServerRelativeURL string `json:"serverRelativeURL"`
		}
		paths := map[string]item{}
		for gv, doc := range c.opts.OpenAPI {
			paths[gv] = item{"/openapi/v3/" + gv + "?hash=" + hashOf(doc)}
		}
		c.json(map[string]any{"paths": paths})
		return true
	}
	doc, ok := c.opts.OpenAPI[strings.Join(parts[2:], "/")]
	if !ok {
		c.fail(notServed())
		return true
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("ETag", `"`+hashOf(doc)+`"`)
	_, _ = c.w.Write([]byte(doc))
	return true
}

func hashOf(doc string) string {
	sum := sha256.Sum256([]byte(doc))
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}
