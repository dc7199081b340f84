package seal_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tiga/db/seal"
)

var place = seal.Place{Table: "cluster_credentials", Row: "0b7f6c1e-5f0a-4c39-9f5e-0d8f9d0c7c11", Column: "sealed"}

func newKey(tb testing.TB) *seal.Key {
	tb.Helper()
	b := make([]byte, 32)
	rand.Read(b)
	k, err := seal.NewKey(b)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func mustSeal(tb testing.TB, r *seal.Keyring, plain []byte) []byte {
	tb.Helper()
	sealed, err := r.Seal(place, plain)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed
}

func TestA26_WhatIsSealedOpensAndHasTheLayout(t *testing.T) {
	key := newKey(t)
	ring := seal.NewKeyring(key)
	for _, plain := range [][]byte{nil, []byte("x"), bytes.Repeat([]byte("kubeconfig"), 30_000)} {
		sealed := mustSeal(t, ring, plain)
		if want := 1 + 8 + 60 + 12 + len(plain) + 16; len(sealed) != want {
			t.Errorf("%d bytes sealed to %d, want %d", len(plain), len(sealed), want)
		}
		id := key.ID()
		if sealed[0] != 1 || !bytes.Equal(sealed[1:9], id[:]) {
			t.Errorf("head %x, want 01 and key %s", sealed[:9], id)
		}
		if len(plain) > 1 && bytes.Contains(sealed, plain[:8]) {
			t.Error("the plain text shows")
		}
		got, err := ring.Open(place, sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("opened %d bytes, %v; want %d", len(got), err, len(plain))
		}
		if again := mustSeal(t, ring, plain); bytes.Equal(again[9:], sealed[9:]) {
			t.Error("sealed twice to the same bytes")
		}
	}
}

func TestA26_AValueOpensOnlyWhereItBelongs(t *testing.T) {
	ring := seal.NewKeyring(newKey(t))
	sealed := mustSeal(t, ring, []byte("secret"))
	for _, other := range []seal.Place{
		{Table: place.Table, Row: "0b7f6c1e-5f0a-4c39-9f5e-0d8f9d0c7c12", Column: place.Column},
		{Table: "other", Row: place.Row, Column: place.Column},
		{Table: place.Table, Row: place.Row, Column: "other"},
	} {
		if _, err := ring.Open(other, sealed); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("opened as %v: %v", other, err)
		}
	}
}

func TestA26_EveryChangedByteIsNoticed(t *testing.T) {
	ring := seal.NewKeyring(newKey(t))
	sealed := mustSeal(t, ring, []byte("secret"))
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if plain, err := ring.Open(place, bad); err == nil {
			t.Errorf("byte %d changed, and it opened to %q", i, plain)
		}
	}
	for n := range sealed {
		if _, err := ring.Open(place, sealed[:n]); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

func TestA26_AnotherKeyIsNamed(t *testing.T) {
	owner, other := newKey(t), newKey(t)
	sealed := mustSeal(t, seal.NewKeyring(owner), []byte("secret"))
	_, err := seal.NewKeyring(other).Open(place, sealed)
	if !errors.Is(err, seal.ErrUnknownKey) || !strings.Contains(err.Error(), owner.ID().String()) {
		t.Errorf("error %v does not name key %s", err, owner.ID())
	}
}

func TestRewrapChangesTheKeyAndNotThePayload(t *testing.T) {
	older, newer := newKey(t), newKey(t)
	sealed := mustSeal(t, seal.NewKeyring(older), []byte("secret"))
	both := seal.NewKeyring(newer, older)
	moved, err := both.Rewrap(place, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(moved[69:], sealed[69:]) {
		t.Error("the payload was encrypted again")
	}
	if id, _ := seal.KeyOf(moved); id != newer.ID() {
		t.Errorf("wrapped with %s, want %s", id, newer.ID())
	}
	if plain, err := seal.NewKeyring(newer).Open(place, moved); err != nil || string(plain) != "secret" {
		t.Errorf("opened %q, %v", plain, err)
	}
	if _, err := seal.NewKeyring(older).Open(place, moved); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("still opens with the old key: %v", err)
	}
	if again, err := both.Rewrap(place, moved); err != nil || !bytes.Equal(again, moved) {
		t.Errorf("rewrapped once more: %v", err)
	}
	moved[len(moved)-70] ^= 1 // in the wrapped key
	if _, err := both.Rewrap(place, moved); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("rewrapped a damaged value: %v", err)
	}
}

func TestDerivedKeysDiffer(t *testing.T) {
	k := newKey(t)
	a, b := k.Derive("a", 32), k.Derive("b", 32)
	if bytes.Equal(a, b) || !bytes.Equal(a, k.Derive("a", 32)) || bytes.Equal(a, newKey(t).Derive("a", 32)) {
		t.Error("derived bytes do not depend on exactly the key and the purpose")
	}
}

func TestA25_AKeyHasNoPrintableForm(t *testing.T) {
	raw := bytes.Repeat([]byte{0xAB}, 32)
	k, err := seal.NewKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "key", k)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "key", k)
	if err := json.NewEncoder(&b).Encode(map[string]any{"key": k}); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%v %+v %#v %s %q", k, k, k, k, k)
	for _, form := range []string{"\xAB\xAB", "abab", "171", "AB", base64.StdEncoding.EncodeToString(raw)[:8]} {
		if strings.Contains(b.String(), form) {
			t.Errorf("printed as %q in %s", form, b.String())
		}
	}
	if n := strings.Count(b.String(), "[redacted]"); n != 8 {
		t.Errorf("%d of 8 forms are redacted: %s", n, b.String())
	}
}

func TestA26_KeyFileIsMadeOnceAndPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "tiga.key")
	for i, want := range []bool{true, false} {
		created, err := seal.EnsureKeyFile(path)
		if err != nil || created != want {
			t.Fatalf("call %d: created %t, %v", i, created, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Fatalf("mode %v, %v; want 0400", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%d files left, %v", len(entries), err)
	}
	a, err := seal.ReadKeyring(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := seal.ReadKeyring(path)
	if err != nil || a.Primary().ID() != b.Primary().ID() {
		t.Errorf("read twice: %v and %v, %v", a.Primary().ID(), b.Primary().ID(), err)
	}
}

func TestA26_KeyFilesThatAreRefused(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 32))
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"readable by the group", good, 0o440, "must be 0400"},
		{"readable by everybody", good, 0o404, "must be 0400"},
		{"writable", good, 0o600, "must be 0400"},
		{"empty", "", 0o400, "0 bytes instead of 32"},
		{"short", base64.StdEncoding.EncodeToString(make([]byte, 31)), 0o400, "31 bytes instead of 32"},
		{"not base64", "correct horse battery staple", 0o400, "base64"},
		{"long", strings.Repeat("A", 4096), 0o400, "instead of 32"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := seal.ReadKeyring(path)
			if !errors.Is(err, seal.ErrKeyFile) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one with %q and %s", err, tt.want, path)
			}
			if tt.text != "" && strings.Contains(err.Error(), tt.text) {
				t.Errorf("the error shows the text: %v", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "key")
	if _, err := seal.ReadKeyring(missing); !errors.Is(err, seal.ErrKeyFile) || !strings.Contains(err.Error(), missing) {
		t.Errorf("missing file: %v", err)
	}
	if _, err := seal.ReadKeyring(t.TempDir()); !errors.Is(err, seal.ErrKeyFile) {
		t.Errorf("a directory: %v", err)
	}
}

func TestA26_KeyFileOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to another user")
	}
	path := filepath.Join(t.TempDir(), "key")
	if _, err := seal.EnsureKeyFile(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.ReadKeyring(path); !errors.Is(err, seal.ErrKeyFile) || !strings.Contains(err.Error(), "65534") {
		t.Errorf("error %v", err)
	}
}

// sealedOnce is "secret" under a key of zeros. It is written down, and with it the layout: a value
// sealed by an earlier version keeps opening. (Fuzzing runs in several processes, which must agree.)
const sealedOnce = "AeTWFqzJ4Cw+t3ATfM2L8nSsjZ0mC5DKksnAwb37RwbF8zrmOQClTRd4czA1T/OA3tNKbnjdzCOZpIKti0vdNOFBc+i9Ok1VNnqzKpsLo4bbheA/Isf/qdI3JEUq++qC3Wvtm5iu4A=="

// Whatever bytes an attacker puts into a row, nothing opens that was not sealed for it.
func FuzzOpen(f *testing.F) {
	raw := make([]byte, 32)
	key, err := seal.NewKey(raw)
	if err != nil {
		f.Fatal(err)
	}
	ring := seal.NewKeyring(key)
	sealed, err := base64.StdEncoding.DecodeString(sealedOnce)
	if err != nil {
		f.Fatal(err)
	}
	if plain, err := ring.Open(place, sealed); err != nil || string(plain) != "secret" {
		f.Fatalf("opened %q, %v", plain, err)
	}
	f.Add(sealed)
	f.Add(sealed[:97])
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, blob []byte) {
		plain, err := ring.Open(place, blob)
		if err == nil && !bytes.Equal(blob, sealed) {
			t.Errorf("%x opened to %q", blob, plain)
		}
		if _, err2 := ring.Rewrap(place, blob); err == nil && err2 != nil {
			t.Errorf("opens but does not rewrap: %v", err2)
		}
	})
}
