package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// ErrKeyFile says that a key file is missing, readable by others, or holds no key. It is about the
// set-up of the program, which must not start.
var ErrKeyFile = errors.New("key file")

const redacted = "[redacted]"

// Key is 32 random bytes that wrap data keys. It has no printable form.
type Key struct {
	bytes [keyBytes]byte
	id    ID
}

// NewKey makes a key of exactly 32 bytes.
func NewKey(b []byte) (*Key, error) {
	if len(b) != keyBytes {
		return nil, fmt.Errorf("%w: the key has %d bytes instead of %d", ErrKeyFile, len(b), keyBytes)
	}
	k := &Key{bytes: [keyBytes]byte(b)}
	k.id = ID(k.Derive("tiga key id", len(k.id)))
	return k, nil
}

// ParseKey reads a key as it stands in a file: base64 of 32 bytes.
func ParseKey(text string) (*Key, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: it must hold 32 bytes in base64 (make one with: openssl rand -base64 32)", ErrKeyFile)
	}
	defer clear(b)
	return NewKey(b)
}

// ID names the key.
func (k *Key) ID() ID { return k.id }

// Derive makes n bytes for another purpose; from them the key cannot be found, nor from one
// purpose's bytes those of another.
func (k *Key) Derive(purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.bytes[:], nil, purpose, n)
	if err != nil {
		panic("seal: derive: " + err.Error()) // only for lengths over 8160, which no caller asks for
	}
	return b
}

// Wrap implements KEK.
func (k *Key) Wrap(dek, additional []byte) ([]byte, error) {
	aead, err := gcm(k.bytes[:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, dek, additional), nil //nolint:gosec // no nonce: the cipher makes a random one
}

// Unwrap implements KEK.
func (k *Key) Unwrap(wrapped, additional []byte) ([]byte, error) {
	aead, err := gcm(k.bytes[:])
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, wrapped, additional)
}

// String keeps the key out of messages.
func (*Key) String() string { return redacted }

// GoString keeps the key out of %#v.
func (*Key) GoString() string { return redacted }

// LogValue keeps the key out of logs.
func (*Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the key out of JSON and YAML.
func (*Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Keyring is the keys that open values, and the one that seals new ones.
type Keyring struct {
	primary *Key
	keys    map[ID]*Key
}

// NewKeyring makes a ring; the first key seals, the others only open what they sealed before.
func NewKeyring(primary *Key, others ...*Key) *Keyring {
	r := &Keyring{primary: primary, keys: map[ID]*Key{primary.ID(): primary}}
	for _, k := range others {
		r.keys[k.ID()] = k
	}
	return r
}

// ReadKeyring reads the key files of a ring, the primary one first.
func ReadKeyring(primary string, others ...string) (*Keyring, error) {
	first, err := ReadKeyFile(primary)
	if err != nil {
		return nil, err
	}
	var rest []*Key
	for _, path := range others {
		k, err := ReadKeyFile(path)
		if err != nil {
			return nil, err
		}
		rest = append(rest, k)
	}
	return NewKeyring(first, rest...), nil
}

// Primary is the key that seals.
func (r *Keyring) Primary() *Key { return r.primary }

// Key finds a key of the ring.
func (r *Keyring) Key(id ID) (*Key, bool) {
	k, ok := r.keys[id]
	return k, ok
}

// ReadKeyFile reads a key that nobody else can read: the file belongs to the user that runs the
// program and its mode is 0400 at most.
func ReadKeyFile(path string) (*Key, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w %s: it does not exist; without it what is sealed in the database cannot be opened", ErrKeyFile, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	if err := private(path, info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1<<10))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeyFile, err)
	}
	defer clear(text)
	k, err := ParseKey(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return k, nil
}

func private(path string, info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%w %s: it is not a regular file", ErrKeyFile, path)
	}
	if mode := info.Mode().Perm(); mode&^0o400 != 0 {
		return fmt.Errorf("%w %s: its mode is %04o and must be 0400 (chmod 400 %s)", ErrKeyFile, path, mode, path)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("%w %s: it belongs to user %d and must belong to %d, who runs this program", ErrKeyFile, path, st.Uid, os.Geteuid())
	}
	return nil
}

// EnsureKeyFile makes a key file with mode 0400 if there is none, and tells whether it did. An
// existing file is never touched. The file appears whole or not at all.
func EnsureKeyFile(path string) (created bool, err error) {
	if _, err := os.Lstat(path); err == nil {
		return false, nil
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, fmt.Errorf("create key file: %w", err)
	}
	f, err := os.CreateTemp(dir, ".key-*")
	if err != nil {
		return false, fmt.Errorf("create key file: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	b := make([]byte, keyBytes)
	rand.Read(b)
	if _, err := f.WriteString(base64.StdEncoding.EncodeToString(b) + "\n"); err != nil {
		return false, fmt.Errorf("create key file %s: %w", path, err)
	}
	if err := f.Chmod(0o400); err != nil {
		return false, fmt.Errorf("create key file %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return false, fmt.Errorf("create key file %s: %w", path, err)
	}
	// A link, unlike a rename, does not replace a file that somebody else has made meanwhile.
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, os.ErrExist) {
			return false, nil
		}
		return false, fmt.Errorf("create key file %s: %w", path, err)
	}
	return true, syncDir(dir)
}

// syncDir makes a new name in a directory survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory of a file that the operator names
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
