package access

import (
	"context"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPasswordRoundTrip(t *testing.T) {
	for _, password := range []string{"correct horse battery", strings.Repeat("密码", 170), strings.Repeat("x", MaxPassword), "nul\x00in the middle of it"} {
		encoded, err := HashPassword(password)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") || NewHasher(HasherConfig{}).NeedsRehash(encoded) {
			t.Errorf("hash is %s", encoded)
		}
		if ok, err := VerifyPassword(encoded, password); !ok || err != nil {
			t.Errorf("the right password: %v %v", ok, err)
		}
		// Every byte counts: nothing is cut off, not even behind a NUL.
		if ok, _ := VerifyPassword(encoded, password[:len(password)-1]); ok {
			t.Error("a shortened password is right")
		}
		again, _ := HashPassword(password)
		if again == encoded {
			t.Error("two hashes of a password are the same")
		}
	}
	if _, err := HashPassword(strings.Repeat("x", MaxPassword+1)); err == nil {
		t.Error("a password over the limit was hashed")
	}
}

// TestPasswordOldCostsVerifyAndWantRehash uses a hash that another program made.
func TestPasswordOldCostsVerifyAndWantRehash(t *testing.T) {
	old := phc{costs: costs{memory: 64, time: 1, lanes: 1}, salt: []byte("somesalt")}
	old.key = mustHex(t, "655ad15eac652dc59f7170a7332bf49b8469be1fdb9c28bb") // golang.org/x/crypto's own vector
	encoded := old.String()
	if ok, err := VerifyPassword(encoded, "password"); !ok || err != nil {
		t.Errorf("known vector: %v %v", ok, err)
	}
	h := NewHasher(HasherConfig{})
	if !h.NeedsRehash(encoded) || !h.NeedsRehash("") || !h.NeedsRehash("plain") {
		t.Error("old costs are not made anew")
	}
	// A hasher with costs of its own makes hashes of them, and is content with those alone.
	cheap := NewHasher(HasherConfig{Memory: 64, Passes: 1})
	made, err := cheap.Hash(t.Context(), "password")
	if err != nil || !strings.HasPrefix(made, "$argon2id$v=19$m=64,t=1,p=1$") || cheap.NeedsRehash(made) || !h.NeedsRehash(made) {
		t.Errorf("hash is %s, %v", made, err)
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileHashesAreRefused(t *testing.T) {
	for _, encoded := range []string{
		"", "x", "$argon2id$", "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=18$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=4000000000,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=0,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=2,p=0$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=2,p=300$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$t=2,m=19456,p=1$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=2$c29tZXNhbHQ$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$c29tZXNhbHRzb21lc2FsdA",
		"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$",
		"$argon2id$v=19$m=19456,t=2,p=1$!!!!$c29tZXNhbHRzb21lc2FsdA",
	} {
		if ok, err := VerifyPassword(encoded, "password"); ok || err == nil {
			t.Errorf("%q: %v %v", encoded, ok, err)
		}
	}
}

func TestCheckPassword(t *testing.T) {
	for password, want := range map[string]string{
		strings.Repeat("ab", 8):               "",
		"exactly15chars!":                     "",
		"only 14 chars!":                      "access.password_short",
		"":                                    "access.password_short",
		strings.Repeat("ab", 512):             "",
		strings.Repeat("ab", 512) + "c":       "access.password_long",
		"一二三四五":                               "", // 15 bytes
		strings.Repeat("x", 20):               "access.password_same",
		"annannannannannann":                  "access.password_name",
		"ANNA annA AnnA anna":                 "access.password_name",
		"ann rode the bike to the far island": "",
	} {
		name := "ann"
		if strings.HasPrefix(password, "ANNA") {
			name = "anna"
		}
		got := FieldErrors(CheckPassword(name, password))
		switch {
		case want == "" && len(got) == 0:
		case len(got) == 1 && got[0].ID == want && got[0].Field == "password":
		default:
			t.Errorf("%q: %v, want %q", password, got, want)
		}
	}
}

func TestNewPassword(t *testing.T) {
	seen := map[string]bool{}
	count := map[rune]int{}
	for range 2000 {
		p := NewPassword()
		if seen[p] || CheckPassword("admin", p) != nil || len(p) != 23 || strings.Count(p, "-") != 3 {
			t.Fatalf("password %q", p)
		}
		seen[p] = true
		for _, c := range strings.ReplaceAll(p, "-", "") {
			count[c]++
		}
	}
	if len(count) != 32 {
		t.Errorf("%d signs in use", len(count))
	}
	for c, n := range count { // 1,250 expected, standard deviation 35
		if n < 1000 || n > 1500 || strings.ContainsRune("lo01", c) {
			t.Errorf("%q is there %d times", c, n)
		}
	}
}

func TestA04_TokensAreRandomAndRecognisable(t *testing.T) {
	seen := map[string]bool{}
	for range 10000 {
		token, digest := NewToken()
		if seen[token] || !IsToken(token) || len(token) != 48 || digest != Digest(token) {
			t.Fatalf("token %q", token)
		}
		seen[token] = true
	}
	for range 10000 {
		secret, digest := NewSecret()
		if seen[secret] || !IsSecret(secret) || len(secret) != 43 || digest != Digest(secret) {
			t.Fatalf("secret %q", secret)
		}
		seen[secret] = true
	}
	token, _ := NewToken()
	for _, bad := range []string{"", "tiga_", token[1:], token + "A", token[:len(token)-1], strings.Replace(token, "tiga_", "kite_", 1), token[:20] + "*" + token[21:]} {
		if IsToken(bad) {
			t.Errorf("%q is a token", bad)
		}
	}
}

// TestA07_HasherRefusesMoreThanItsQueue: with all places taken the next is told at once.
func TestA07_HasherRefusesMoreThanItsQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewHasher(HasherConfig{Parallel: 2, Queue: 3})
		var leaves []func()
		for range 2 {
			leave, err := h.enter(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var gaveUp, entered atomic.Int32
		var wg sync.WaitGroup
		for i := range 3 {
			waiting := t.Context()
			if i == 0 {
				waiting = ctx
			}
			wg.Go(func() {
				leave, err := h.enter(waiting)
				if errors.Is(err, context.Canceled) {
					gaveUp.Add(1)
					return
				}
				entered.Add(1)
				leave()
			})
		}
		synctest.Wait()
		for _, call := range []func() error{
			func() error { _, err := h.Verify(t.Context(), "", "x"); return err },
			func() error { _, err := h.Hash(t.Context(), "x"); return err },
		} {
			if err := call(); !errors.Is(err, ErrBusy) {
				t.Errorf("over the queue: %v", err)
			}
		}
		if entered.Load() != 0 {
			t.Error("somebody got in beyond the limit")
		}
		cancel()
		synctest.Wait()
		if gaveUp.Load() != 1 {
			t.Error("a caller who left is still waiting")
		}
		for _, leave := range leaves {
			leave()
		}
		wg.Wait()
		if entered.Load() != 2 || len(h.places) != 0 || len(h.running) != 0 {
			t.Errorf("%d entered, %d places and %d slots are still taken", entered.Load(), len(h.places), len(h.running))
		}
	})
}

func TestHasherVerifies(t *testing.T) {
	h := NewHasher(HasherConfig{})
	encoded, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"correct horse battery": true, "wrong horse battery": false, "": false} {
		if ok, err := h.Verify(t.Context(), encoded, password); ok != want || err != nil {
			t.Errorf("%q: %v %v", password, ok, err)
		}
	}
	for _, nobody := range []string{"", "broken"} {
		if ok, err := h.Verify(t.Context(), nobody, ""); ok || err != nil {
			t.Errorf("nobody's hash: %v %v", ok, err)
		}
	}
}

// TestA07_UnknownUsersCostTheSame: whether a user exists must not be told by the time. Known and
// unknown are measured in turn, so that other work on the machine falls on both.
func TestA07_UnknownUsersCostTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for some seconds")
	}
	h := NewHasher(HasherConfig{Parallel: 1})
	known, err := h.Hash(t.Context(), "correct horse battery")
	if err != nil {
		t.Fatal(err)
	}
	const rounds = 60
	times := map[string][]float64{}
	for range rounds {
		for _, encoded := range []string{known, ""} {
			start := time.Now()
			if ok, err := h.Verify(t.Context(), encoded, "not the password"); ok || err != nil {
				t.Fatal(ok, err)
			}
			times[encoded] = append(times[encoded], float64(time.Since(start)))
		}
	}
	a, b := times[known], times[""]
	slices.Sort(a)
	slices.Sort(b)
	if ratio := a[rounds/2] / b[rounds/2]; math.Abs(math.Log(ratio)) > math.Log(1.3) {
		t.Errorf("known users take %.2f times as long as unknown ones", ratio)
	}
}

func BenchmarkPassword(b *testing.B) {
	encoded, err := HashPassword("correct horse battery")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if ok, _ := VerifyPassword(encoded, "correct horse battery"); !ok {
			b.Fatal("wrong")
		}
	}
}
