// Package seal encrypts what the store must keep but must not show: the credentials of clusters.
//
// It is envelope encryption with nothing but the standard library. Every value has a data key of its
// own, used once; that key is wrapped by a key from a file. A sealed value is laid out as
//
//	01 | key id (8) | wrapped data key (60) | payload
//
// where wrapped data key and payload are AES-256-GCM with a random nonce of 12 bytes in front and a
// tag of 16 behind. Both authenticate the place the value belongs to, so a value copied to another
// row, column or table does not open. The key id is authenticated by the wrap alone: were it part of
// the payload too, changing the key could not do without decrypting every payload.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
)

const (
	version    = 1
	keyBytes   = 32
	gcmBytes   = 12 + 16 // nonce and tag
	wrapBytes  = keyBytes + gcmBytes
	headBytes  = 1 + len(ID{}) + wrapBytes
	minBytes   = headBytes + gcmBytes
	additional = "tiga1|"
)

// The ways in which a sealed value is refused.
var (
	// ErrUnknownKey says that the key which sealed a value is not in the keyring.
	ErrUnknownKey = errors.New("sealed with a key that is not among the key files")
	// ErrTampered says that a value was changed, cut, or moved from the place it was sealed for.
	ErrTampered = errors.New("sealed value does not open: it was changed or belongs to another place")
)

// ID names a key without revealing it: the first bytes of a hash of the key.
type ID [8]byte

// String is the id in hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Place is where a sealed value belongs. Row must never be given to another row: a UUID, not a
// number that a restored backup could hand out again.
type Place struct{ Table, Row, Column string }

// KEK is a key-encryption key. Key is the one in a file; one in a key service would be another.
type KEK interface {
	// Wrap encrypts a data key of 32 bytes to 60, bound to the additional data.
	Wrap(dek, additional []byte) ([]byte, error)
	// Unwrap is the reverse, and fails if anything differs.
	Unwrap(wrapped, additional []byte) ([]byte, error)
}

// Seal encrypts plain for its place with the primary key.
func (r *Keyring) Seal(p Place, plain []byte) ([]byte, error) {
	dek := make([]byte, keyBytes)
	rand.Read(dek)
	defer clear(dek)
	sealed, err := wrap(r.primary, r.primary.ID(), p, dek)
	if err != nil {
		return nil, err
	}
	aead, err := gcm(dek)
	if err != nil {
		return nil, err
	}
	return aead.Seal(sealed, nil, plain, p.payload()), nil //nolint:gosec // no nonce: the cipher makes a random one
}

// Open decrypts what Seal made for the same place with any key of the ring.
func (r *Keyring) Open(p Place, sealed []byte) ([]byte, error) {
	dek, err := r.unwrap(p, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(dek)
	aead, err := gcm(dek)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nil, sealed[headBytes:], p.payload())
	if err != nil {
		return nil, p.tampered()
	}
	return plain, nil
}

// Rewrap moves a sealed value to the primary key without decrypting its payload. A value that is
// there already is returned as it is.
func (r *Keyring) Rewrap(p Place, sealed []byte) ([]byte, error) {
	dek, err := r.unwrap(p, sealed)
	if err != nil {
		return nil, err
	}
	defer clear(dek)
	if id, _ := KeyOf(sealed); id == r.primary.ID() {
		return sealed, nil
	}
	head, err := wrap(r.primary, r.primary.ID(), p, dek)
	if err != nil {
		return nil, err
	}
	return append(head, sealed[headBytes:]...), nil
}

// KeyOf tells which key wrapped a value.
func KeyOf(sealed []byte) (ID, error) {
	if len(sealed) < minBytes || sealed[0] != version {
		return ID{}, ErrTampered
	}
	return ID(sealed[1 : 1+len(ID{})]), nil
}

func (r *Keyring) unwrap(p Place, sealed []byte) ([]byte, error) {
	id, err := KeyOf(sealed)
	if err != nil {
		return nil, p.tampered()
	}
	key, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("open %s of %s: key %s: %w", p.Column, p.Table, id, ErrUnknownKey)
	}
	return unwrap(key, id, p, sealed)
}

// wrap makes the head of a sealed value.
func wrap(kek KEK, id ID, p Place, dek []byte) ([]byte, error) {
	wrapped, err := kek.Wrap(dek, p.head(id))
	if err != nil {
		return nil, fmt.Errorf("wrap data key with %s: %w", id, err)
	}
	if len(wrapped) != wrapBytes {
		return nil, fmt.Errorf("wrap data key with %s: %d bytes instead of %d", id, len(wrapped), wrapBytes)
	}
	head := make([]byte, 0, headBytes+gcmBytes)
	head = append(head, version)
	head = append(head, id[:]...)
	return append(head, wrapped...), nil
}

func unwrap(kek KEK, id ID, p Place, sealed []byte) ([]byte, error) {
	dek, err := kek.Unwrap(sealed[1+len(id):headBytes], p.head(id))
	if err != nil || len(dek) != keyBytes {
		return nil, p.tampered()
	}
	return dek, nil
}

func (p Place) payload() []byte {
	return []byte(additional + p.Table + "|" + p.Row + "|" + p.Column)
}

func (p Place) head(id ID) []byte {
	return append(p.payload(), "|"+id.String()...)
}

func (p Place) tampered() error {
	return fmt.Errorf("open %s of %s: %w", p.Column, p.Table, ErrTampered)
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("cipher: %w", err)
	}
	return aead, nil
}
