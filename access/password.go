package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
)

// What argon2id costs here: 19 MiB, 2 passes, 1 lane, some 25 ms. It is OWASP's first choice of its
// smaller settings; the Hasher bounds how many run at once.
const (
	hashMemory = 19 * 1024 // KiB
	hashTime   = 2
	hashLanes  = 1
	saltLength = 16
	keyLength  = 32
)

// The bounds of a password, in bytes. Nothing is cut off.
const (
	MinPassword = 15
	MaxPassword = 1024
)

var (
	// ErrBusy means that too many passwords are being checked at once; it is answered with 429.
	ErrBusy = errors.New("too many passwords are being checked")
	errHash = errors.New("not an argon2id hash")
	errLong = fmt.Errorf("hash password: longer than %d bytes", MaxPassword)
)

// CheckPassword says what is wrong with a new password: a *FieldError for the field "password".
func CheckPassword(username, password string) error {
	var p problems
	switch {
	case len(password) < MinPassword:
		p.add("password", "access.password_short", "is too short", map[string]any{"Min": MinPassword})
	case len(password) > MaxPassword:
		p.add("password", "access.password_long", "is too long", map[string]any{"Max": MaxPassword})
	case username != "" && strings.Count(strings.ToLower(password), strings.ToLower(username))*len(username)*2 > len(password):
		p.add("password", "access.password_name", "is little more than the user name", nil)
	case strings.Count(password, password[:1]) == len(password):
		p.add("password", "access.password_same", "is one character repeated", nil)
	}
	return p.err()
}

// NewPassword makes a password that a person can copy from a terminal: 100 random bits as four
// groups of five letters and digits, none of which look alike.
func NewPassword() string {
	const alphabet = "abcdefghijkmnpqrstuvwxyz23456789" // 32 signs, so that a byte picks each as often
	random := make([]byte, 20)
	_, _ = rand.Read(random) // never fails
	var b strings.Builder
	for i, c := range random {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(alphabet[c%32])
	}
	return b.String()
}

// HashPassword returns the argon2id hash of a password as a PHC string.
func HashPassword(password string) (string, error) {
	if len(password) > MaxPassword {
		return "", errLong
	}
	return usualCosts().hash(password), nil
}

func usualCosts() costs { return costs{hashMemory, hashTime, hashLanes} }

// VerifyPassword reports whether the password belongs to the hash. A string that is no hash is an
// error. It takes its time and memory without a bound; requests go through a Hasher.
func VerifyPassword(encoded, password string) (bool, error) {
	h, err := parseHash(encoded)
	if err != nil {
		return false, err
	}
	if len(password) > MaxPassword {
		return false, nil
	}
	key := argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.lanes, uint32(len(h.key))) //nolint:gosec // parseHash bounds the length
	return subtle.ConstantTimeCompare(key, h.key) == 1, nil
}

// costs are what a hash takes: memory in KiB, passes over it, and lanes.
type costs struct {
	memory, time uint32
	lanes        uint8
}

func (c costs) hash(password string) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(password), salt, c.time, c.memory, c.lanes, keyLength)
	return phc{c, salt, key}.String()
}

// phc is a hash in the format of the Password Hashing Competition.
type phc struct {
	costs
	salt, key []byte
}

func (h phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.lanes,
		base64.RawStdEncoding.EncodeToString(h.salt), base64.RawStdEncoding.EncodeToString(h.key))
}

// parseHash refuses costs beyond reason: a hash is data, and must not be able to take the memory of
// the machine.
func parseHash(encoded string) (phc, error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, errHash
	}
	var h phc
	numbers := strings.Split(parts[3], ",")
	if len(numbers) != 3 {
		return phc{}, errHash
	}
	var lanes uint32
	for i, into := range []*uint32{&h.memory, &h.time, &lanes} {
		value, ok := strings.CutPrefix(numbers[i], []string{"m=", "t=", "p="}[i])
		n, err := strconv.ParseUint(value, 10, 32)
		if !ok || err != nil {
			return phc{}, errHash
		}
		*into = uint32(n)
	}
	if h.memory < 8 || h.memory > 256*1024 || h.time < 1 || h.time > 16 || lanes < 1 || lanes > 16 {
		return phc{}, errHash
	}
	h.lanes = uint8(lanes)
	var err error
	if h.salt, err = base64.RawStdEncoding.Strict().DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 {
		return phc{}, errHash
	}
	if h.key, err = base64.RawStdEncoding.Strict().DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 {
		return phc{}, errHash
	}
	return h, nil
}

// HasherConfig bounds a Hasher. Zero values mean: as many at once as there are cores, 16 waiting, and
// the costs of HashPassword.
type HasherConfig struct {
	Parallel int
	Queue    int
	// Memory, in KiB, and Passes are what a new hash costs.
	Memory, Passes uint32
}

// Hasher runs password hashes for requests: a few at once, some waiting, the rest refused with
// ErrBusy, so that a flood of sign-ins takes neither the memory nor the cores.
type Hasher struct {
	running chan struct{}
	places  chan struct{} // those running and those waiting
	costs   costs
	nobody  string
}

// NewHasher returns a Hasher.
func NewHasher(cfg HasherConfig) *Hasher {
	if cfg.Parallel <= 0 {
		cfg.Parallel = runtime.GOMAXPROCS(0)
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 16
	}
	c := usualCosts()
	c.memory, c.time = cmp.Or(cfg.Memory, c.memory), cmp.Or(cfg.Passes, c.time)
	// A hash that no password belongs to, made without paying for it: only its costs matter.
	nothing := phc{c, make([]byte, saltLength), make([]byte, keyLength)}
	return &Hasher{
		running: make(chan struct{}, cfg.Parallel), places: make(chan struct{}, cfg.Parallel+cfg.Queue), costs: c, nobody: nothing.String(),
	}
}

// RetryAfter is what a caller who got ErrBusy should be told to wait.
const RetryAfter = 2 * time.Second

// NeedsRehash reports whether a hash was made with other costs than today's, so that it should be
// made anew while its password is at hand.
func (h *Hasher) NeedsRehash(encoded string) bool {
	old, err := parseHash(encoded)
	return err != nil || old.costs != h.costs || len(old.salt) != saltLength || len(old.key) != keyLength
}

// Hash is HashPassword within the bounds.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	if len(password) > MaxPassword {
		return "", errLong
	}
	return h.costs.hash(password), nil
}

// Verify is VerifyPassword within the bounds. An empty or broken hash costs the same time as a good
// one and belongs to no password, so that whether a user exists cannot be told from the time that
// the answer takes: for an unknown user pass "".
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	if _, err := parseHash(encoded); err != nil {
		_, _ = VerifyPassword(h.nobody, password)
		return false, nil
	}
	return VerifyPassword(encoded, password)
}

func (h *Hasher) enter(ctx context.Context) (leave func(), err error) {
	select {
	case h.places <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	select {
	case h.running <- struct{}{}:
		return func() { <-h.running; <-h.places }, nil
	case <-ctx.Done():
		<-h.places
		return nil, ctx.Err()
	}
}
