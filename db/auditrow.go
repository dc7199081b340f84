package db

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"tiga/db/seal"
)

const (
	// auditFormat is the version of the encoding below. A row that gets another column gets another
	// format; rows of an older one keep being verified as they were signed.
	auditFormat = 1
	hashBytes   = sha256.Size
)

// auditKey signs audit rows and checkpoints. It is derived from a key file and is nowhere in the
// database, so who can write to the database cannot make a row that verifies.
type auditKey struct {
	id     string
	mac    hash.Hash
	signer ed25519.PrivateKey
	buffer []byte
}

func newAuditKey(k *seal.Key) auditKey {
	return auditKey{
		id:     k.ID().String(),
		mac:    hmac.New(sha256.New, k.Derive("tiga audit rows", 32)),
		signer: ed25519.NewKeyFromSeed(k.Derive("tiga audit checkpoints", ed25519.SeedSize)),
	}
}

// sign is HMAC-SHA256(key, prev_hash || canonical(row)). It is not safe for concurrent use.
func (k *auditKey) sign(e *AuditEvent) []byte {
	k.buffer = e.canonical(append(k.buffer[:0], e.PrevHash...))
	k.mac.Reset()
	k.mac.Write(k.buffer)
	return k.mac.Sum(nil)
}

// canonical appends the encoding of a row that is signed: its columns in the order of the table
// without prev_hash and hash; an integer as 8 bytes, big endian; a truth value as an integer 0 or 1;
// a text as its length in bytes, as an integer, and its bytes. No two rows have the same encoding.
func (e *AuditEvent) canonical(b []byte) []byte {
	b = text(b, e.ID)
	b = integer(b, e.Chain)
	b = integer(b, e.Seq)
	b = integer(b, e.Format)
	b = integer(b, e.TS)
	b = text(b, e.Phase)
	b = text(b, e.ParentID)
	b = text(b, e.RequestID)
	b = integer(b, e.ActorID)
	b = text(b, e.ActorName)
	b = text(b, e.AuthMethod)
	b = text(b, e.SessionRef)
	b = text(b, e.ClientIP)
	b = text(b, e.PeerIP)
	b = text(b, e.UserAgent)
	b = integer(b, e.ClusterID)
	b = text(b, e.ClusterName)
	b = text(b, e.APIGroup)
	b = text(b, e.Resource)
	b = text(b, e.Subresource)
	b = text(b, e.Namespace)
	b = text(b, e.Name)
	b = text(b, e.ObjectUID)
	b = text(b, e.ResourceVersion)
	b = text(b, e.Verb)
	b = text(b, e.Effect)
	b = text(b, e.Decision)
	b = text(b, e.Result)
	b = text(b, e.Reason)
	b = text(b, e.Message)
	b = integer(b, e.PolicyVersion)
	readOnly := int64(0)
	if e.ReadOnly {
		readOnly = 1
	}
	b = integer(b, readOnly)
	b = integer(b, e.HTTPStatus)
	b = integer(b, e.DurationUS)
	b = text(b, e.Diff)
	return text(b, e.KeyID)
}

func integer(b []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(n)) //nolint:gosec // the bits, whatever the sign
}

func text(b []byte, s string) []byte {
	return append(integer(b, int64(len(s))), s...)
}

// The limits of texts in bytes; texts not named here have shortText.
const (
	shortText   = 256
	messageText = 1 << 10
	diffText    = 16 << 10
)

// clean bounds every text of a row and makes control characters visible, so that a name chosen by
// an attacker can forge neither a line of an export nor what a terminal shows of it.
func (e *AuditEvent) clean() {
	for _, s := range []*string{
		&e.RequestID, &e.ActorName, &e.AuthMethod, &e.SessionRef, &e.ClientIP, &e.PeerIP, &e.UserAgent, &e.ClusterName, &e.APIGroup,
		&e.Resource, &e.Subresource, &e.Namespace, &e.Name, &e.ObjectUID, &e.ResourceVersion, &e.Verb, &e.Effect, &e.Decision,
		&e.Result, &e.Reason,
	} {
		*s = clean(*s, shortText, "")
	}
	e.Message = clean(e.Message, messageText, "")
	e.Diff = clean(e.Diff, diffText, "\n\t")
}

// clean writes control, bidirectional and other invisible characters, and bytes that are not UTF-8,
// as escapes, except those in keep; and cuts what is longer than limit.
func clean(s string, limit int, keep string) string {
	const cut = "…"
	if len(s) <= limit && strings.IndexFunc(s, func(r rune) bool { return hidden(r, keep) }) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	end := 0 // of what leaves room for the mark
	for i, width := 0, 0; i < len(s) && b.Len() <= limit; i += width {
		r, w := utf8.DecodeRuneInString(s[i:])
		width = w
		switch {
		case r == utf8.RuneError && w == 1:
			b.WriteString(`\x` + strconv.FormatUint(0x100+uint64(s[i]), 16)[1:])
		case hidden(r, keep):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
		if b.Len() <= limit-len(cut) {
			end = b.Len()
		}
	}
	if b.Len() > limit {
		return b.String()[:end] + cut
	}
	return b.String()
}

func hidden(r rune, keep string) bool {
	return !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r)
}
