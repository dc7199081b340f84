package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// TokenPrefix begins every API token, so that scanners of code and logs can recognise one.
const TokenPrefix = "tiga_"

const (
	secretBytes  = 32
	secretLength = (secretBytes*8 + 5) / 6 // as base64url without padding
)

// NewToken makes an API token and what is stored of it. The token is shown once and kept by nobody.
func NewToken() (token string, digest [sha256.Size]byte) {
	secret, _ := NewSecret()
	token = TokenPrefix + secret
	return token, Digest(token)
}

// NewSecret makes the 256-bit id of a session or a ticket, and what is stored of it.
func NewSecret() (secret string, digest [sha256.Size]byte) {
	random := make([]byte, secretBytes)
	_, _ = rand.Read(random) // never fails
	secret = base64.RawURLEncoding.EncodeToString(random)
	return secret, Digest(secret)
}

// IsToken reports whether s has the form of an API token; what has not needs no look into the store.
func IsToken(s string) bool {
	secret, ok := strings.CutPrefix(s, TokenPrefix)
	return ok && IsSecret(secret)
}

// IsSecret reports whether s has the form of a secret made by NewSecret.
func IsSecret(s string) bool {
	if len(s) != secretLength {
		return false
	}
	_, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil
}

// Digest returns what the store holds of a token or a secret. They have 256 random bits, so a plain
// hash cannot be turned round.
func Digest(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }
