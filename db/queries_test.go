package db_test

import (
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/dbtest"
)

// now is a moment that the tests of queries agree on.
const now = int64(1_767_225_600_000_000) // 2026-01-01

const minute = int64(time.Minute / time.Microsecond)

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:]
}

func write(tb testing.TB, s *db.Store, f func(q *db.Queries) error) {
	tb.Helper()
	if err := s.Write(tb.Context(), f); err != nil {
		tb.Fatal(err)
	}
}

func must[T any](tb testing.TB) func(T, error) T {
	tb.Helper()
	return func(v T, err error) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func createUser(tb testing.TB, s *db.Store, name string) db.User {
	tb.Helper()
	var u db.User
	write(tb, s, func(q *db.Queries) (err error) {
		u, err = q.CreateUser(tb.Context(), db.CreateUserParams{
			Name: name, DisplayName: "D " + name, PasswordHash: db.NewSecret("hash of " + name), MustChangePassword: true,
			Groups: db.List{"ops", "dev"}, Now: now,
		})
		return err
	})
	return u
}

func policyVersion(tb testing.TB, s *db.Store) int64 {
	tb.Helper()
	return must[int64](tb)(s.Read().PolicyVersion(tb.Context()))
}

// Every query is run here on both engines; a query that nothing runs fails the test.
func TestEveryQueryRunsOnBothEngines(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s := open()
		t.Run("meta", func(t *testing.T) { meta(t, s) })
		t.Run("users", func(t *testing.T) { users(t, s) })
		t.Run("sessions", func(t *testing.T) { sessions(t, s) })
		t.Run("policy", func(t *testing.T) { policy(t, s) })
		t.Run("tokens", func(t *testing.T) { tokens(t, s) })
		t.Run("clusters", func(t *testing.T) { clusters(t, s) })
		t.Run("logins", func(t *testing.T) { logins(t, s) })
		t.Run("own", func(t *testing.T) { own(t, s) })
		t.Run("operations", func(t *testing.T) { operations(t, s) })
		t.Run("history", func(t *testing.T) { history(t, s) })
		t.Run("audit", func(t *testing.T) { audit(t, s) })
		ran := map[string]bool{}
		note := func(s *db.Store) {
			for _, q := range s.Stats().Queries {
				ran[q.Name] = q.Count > 0
			}
		}
		note(s)
		if err := s.Close(); err != nil { // closed again by the test's end, which does nothing
			t.Fatal(err)
		}
		note(open()) // reconciles
		delete(ran, "other")
		if diff := cmp.Diff(queryNames(t), slices.Sorted(maps.Keys(ran))); diff != "" {
			t.Errorf("queries written (-) and run (+):\n%s", diff)
		}
	})
}

func queryNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, file := range must[[]string](t)(filepath.Glob("queries/*.sql")) {
		text := must[[]byte](t)(os.ReadFile(file))
		for _, m := range regexp.MustCompile(`(?m)^-- name: (\w+) `).FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	slices.Sort(names)
	return names
}

func meta(t *testing.T, s *db.Store) {
	ctx := t.Context()
	if _, err := s.Read().Meta(ctx, "colour"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("missing key: %v", err)
	}
	for _, want := range []string{"blue", "green"} {
		write(t, s, func(q *db.Queries) error { return q.SetMeta(ctx, "colour", want) })
		if got := must[string](t)(s.Read().Meta(ctx, "colour")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func users(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	ada := createUser(t, s, "Ada")
	want := db.User{
		ID: ada.ID, Name: "Ada", DisplayName: "D Ada", PasswordHash: db.NewSecret("hash of Ada"), MustChangePassword: true,
		Groups: db.List{"ops", "dev"}, CreatedAt: now, UpdatedAt: now, PasswordChangedAt: now,
	}
	equal := cmp.AllowUnexported(db.Secret{})
	if diff := cmp.Diff(want, must[db.User](t)(q.UserByName(ctx, "aDA")), equal); diff != "" {
		t.Errorf("found by name (-want +got):\n%s", diff)
	}
	err := s.Write(ctx, func(q *db.Queries) error {
		_, err := q.CreateUser(ctx, db.CreateUserParams{Name: "ADA", Now: now})
		return err
	})
	if !errors.Is(err, db.ErrConflict) {
		t.Errorf("a second Ada: %v", err)
	}
	bob := createUser(t, s, "bob")
	if n := must[int64](t)(q.CountUsers(ctx)); n != 2 {
		t.Errorf("%d users, want 2", n)
	}
	write(t, s, func(q *db.Queries) error {
		if _, err := q.UpdateUser(ctx, ada.ID, "Ada L.", now+1); err != nil {
			return err
		}
		_, err := q.SetPassword(ctx, db.SetPasswordParams{ID: ada.ID, PasswordHash: db.NewSecret("new"), Now: now + 2})
		return err
	})
	// Another hash of the same password takes the place of the one that it was made for, and of no other.
	for old, want := range map[string]int64{"hash of Ada": 0, "new": 1} {
		write(t, s, func(q *db.Queries) error {
			n, err := q.Rehash(ctx, db.NewSecret("newer"), ada.ID, db.NewSecret(old))
			if n != want {
				t.Errorf("%d hashes took the place of %q, want %d", n, old, want)
			}
			return err
		})
	}
	version := policyVersion(t, s)
	write(t, s, func(q *db.Queries) error {
		_, err := q.SetUserGroups(ctx, ada.ID, nil, now+3)
		return err
	})
	want.DisplayName, want.PasswordHash, want.MustChangePassword, want.Groups = "Ada L.", db.NewSecret("newer"), false, db.List{}
	want.UpdatedAt, want.PasswordChangedAt = now+3, now+2
	if diff := cmp.Diff(want, must[db.User](t)(q.User(ctx, ada.ID)), equal); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	write(t, s, func(q *db.Queries) error {
		_, err := q.DisableUser(ctx, bob.ID, now+4)
		return err
	})
	list := must[[]db.User](t)(q.Users(ctx))
	if len(list) != 2 || list[0].Name != "Ada" || list[1].Name != "bob" || !list[1].Disabled {
		t.Errorf("users %+v", list)
	}
	write(t, s, func(q *db.Queries) error {
		u, err := q.EnableUser(ctx, bob.ID, now+5)
		if u.Disabled {
			t.Error("still disabled")
		}
		return err
	})
	if got := policyVersion(t, s); got != version+3 {
		t.Errorf("policy version %d after three changes of rights, was %d", got, version)
	}
	if _, err := q.User(ctx, 999); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("no such user: %v", err)
	}
}

func policy(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	version := policyVersion(t, s)
	builtIn := db.RoleSpec{Name: "viewer", Description: "sees", Rules: `[{"verbs":["get"]}]`, ReadOnly: true, Now: now}
	ops := db.RoleSpec{Name: "ops", Description: "does", Rules: `[{"verbs":["*"]}]`, Now: now}
	binding := db.BindingSpec{SubjectKind: "user", Subject: "Ada", Role: "ops", Clusters: db.List{"prod-*"}, Namespaces: db.List{"web"}, ExpiresAt: now + 5, Now: now}
	var id int64
	for _, step := range []struct {
		name string
		bump int64
		do   func(q *db.Queries) error
	}{
		{"put a built-in role", 1, func(q *db.Queries) error { return q.PutBuiltInRole(ctx, builtIn) }},
		{"put it again, unchanged", 0, func(q *db.Queries) error { return q.PutBuiltInRole(ctx, builtIn) }},
		{"put it again, changed", 1, func(q *db.Queries) error {
			builtIn.Rules = "[]"
			return q.PutBuiltInRole(ctx, builtIn)
		}},
		{"create a role", 1, func(q *db.Queries) error {
			_, err := q.CreateRole(ctx, ops)
			return err
		}},
		{"update it", 1, func(q *db.Queries) error {
			ops.Description, ops.Now = "does more", now+1
			_, err := q.UpdateRole(ctx, ops)
			return err
		}},
		{"create a binding", 1, func(q *db.Queries) error {
			b, err := q.CreateBinding(ctx, binding)
			id = b.ID
			return err
		}},
		{"update it", 1, func(q *db.Queries) error {
			binding.Clusters, binding.Now = nil, now+1
			_, err := q.UpdateBinding(ctx, id, binding)
			return err
		}},
	} {
		write(t, s, step.do)
		if got := policyVersion(t, s); got != version+step.bump {
			t.Errorf("%s: policy version %d, want %d", step.name, got, version+step.bump)
		}
		version = policyVersion(t, s)
	}
	roles := must[[]db.Role](t)(q.Roles(ctx))
	wantRoles := []db.Role{
		{ID: roles[0].ID, Name: "viewer", Description: "sees", Rules: "[]", ReadOnly: true, BuiltIn: true, CreatedAt: now, UpdatedAt: now},
		{ID: roles[1].ID, Name: "ops", Description: "does more", Rules: ops.Rules, CreatedAt: now, UpdatedAt: now + 1},
	}
	if diff := cmp.Diff(wantRoles, roles); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	want := db.Binding{
		ID: id, SubjectKind: "user", Subject: "Ada", Role: "ops", Clusters: db.List{}, Namespaces: db.List{"web"}, ExpiresAt: now + 5,
		CreatedAt: now, UpdatedAt: now + 1,
	}
	if diff := cmp.Diff([]db.Binding{want}, must[[]db.Binding](t)(q.Bindings(ctx))); diff != "" {
		t.Errorf("bindings (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]db.Binding{want}, must[[]db.Binding](t)(q.BindingsOfSubject(ctx, "user", "ADA"))); diff != "" {
		t.Errorf("bindings of Ada (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, must[db.Binding](t)(q.Binding(ctx, id))); diff != "" {
		t.Errorf("binding (-want +got):\n%s", diff)
	}
	if r := must[db.Role](t)(q.Role(ctx, "ops")); r.Description != "does more" {
		t.Errorf("role %+v", r)
	}
	for name, tt := range map[string]struct {
		want error
		do   func(q *db.Queries) error
	}{
		"delete a role that is bound":  {db.ErrConflict, func(q *db.Queries) error { return q.DeleteRole(ctx, "ops") }},
		"delete a built-in role":       {db.ErrNotFound, func(q *db.Queries) error { return q.DeleteRole(ctx, "viewer") }},
		"delete a binding that is not": {db.ErrNotFound, func(q *db.Queries) error { return q.DeleteBinding(ctx, id+1) }},
		"create a role twice":          {db.ErrConflict, func(q *db.Queries) error { _, err := q.CreateRole(ctx, ops); return err }},
		"update a built-in role":       {db.ErrNotFound, func(q *db.Queries) error { _, err := q.UpdateRole(ctx, builtIn); return err }},
		"bind a role that is not": {db.ErrConflict, func(q *db.Queries) error {
			_, err := q.CreateBinding(ctx, db.BindingSpec{SubjectKind: "user", Role: "x"})
			return err
		}},
		"update a binding that is not":     {db.ErrNotFound, func(q *db.Queries) error { _, err := q.UpdateBinding(ctx, id+1, binding); return err }},
		"disable a user that is not":       {db.ErrNotFound, func(q *db.Queries) error { _, err := q.DisableUser(ctx, 999, now); return err }},
		"delete a user that is not":        {db.ErrNotFound, func(q *db.Queries) error { _, err := q.DeleteUser(ctx, 999); return err }},
		"set groups of a user that is not": {db.ErrNotFound, func(q *db.Queries) error { _, err := q.SetUserGroups(ctx, 999, nil, now); return err }},
	} {
		if err := s.Write(ctx, tt.do); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if got := policyVersion(t, s); got != version {
		t.Errorf("refused changes moved the policy version from %d to %d", version, got)
	}
	ada := must[db.User](t)(q.UserByName(ctx, "ada"))
	write(t, s, func(q *db.Queries) error {
		_, err := q.DeleteUser(ctx, ada.ID)
		return err
	})
	if left := must[[]db.Binding](t)(q.Bindings(ctx)); len(left) != 0 {
		t.Errorf("the bindings of a deleted user stay: %+v", left)
	}
	write(t, s, func(q *db.Queries) error { return q.DeleteRole(ctx, "ops") })
	write(t, s, func(q *db.Queries) error {
		b, err := q.CreateBinding(ctx, db.BindingSpec{SubjectKind: "group", Subject: "ops", Role: "viewer", Now: now})
		if err != nil {
			return err
		}
		return q.DeleteBinding(ctx, b.ID)
	})
}

func tokens(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	u := createUser(t, s, "robot")
	var ids []int64
	write(t, s, func(q *db.Queries) error {
		for i, expires := range []int64{0, now + minute} {
			name := "ci-" + strconv.Itoa(i)
			tok, err := q.CreateToken(ctx, db.CreateTokenParams{
				TokenHash: hash(name), Prefix: "tiga_" + name, Name: name, UserID: u.ID, Role: "viewer", CreatedAt: now + int64(i), ExpiresAt: expires,
			})
			if err != nil {
				return err
			}
			ids = append(ids, tok.ID)
		}
		_, err := q.TouchToken(ctx, ids[0], now+7, "192.0.2.1")
		return err
	})
	usable := func(name string, at int64) error {
		row, err := q.TokenByHash(ctx, hash(name), at)
		if err == nil && (row.User.ID != u.ID || row.Token.Name != name || row.Token.Role != "viewer") {
			t.Errorf("token %s is %+v", name, row)
		}
		return err
	}
	if err := usable("ci-0", now+1000*minute); err != nil {
		t.Errorf("a token without expiry: %v", err)
	}
	if err := errors.Join(usable("ci-1", now+minute-1)); err != nil {
		t.Errorf("before its expiry: %v", err)
	}
	if err := usable("ci-1", now+minute); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("at its expiry: %v", err)
	}
	list := must[[]db.Token](t)(q.TokensOfUser(ctx, u.ID))
	if len(list) != 2 || list[0].ID != ids[1] || list[1].LastUsedAt != now+7 || list[1].LastUsedIP != "192.0.2.1" {
		t.Errorf("tokens %+v", list)
	}
	disabled := func(f func(q *db.Queries) (db.User, error)) {
		write(t, s, func(q *db.Queries) error {
			_, err := f(q)
			return err
		})
	}
	disabled(func(q *db.Queries) (db.User, error) { return q.DisableUser(ctx, u.ID, now) })
	if err := usable("ci-0", now); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("the token of a disabled user: %v", err)
	}
	disabled(func(q *db.Queries) (db.User, error) { return q.EnableUser(ctx, u.ID, now) })
	write(t, s, func(q *db.Queries) error {
		n, err := q.RevokeToken(ctx, ids[0], now)
		if n != 1 {
			t.Errorf("revoked %d", n)
		}
		return err
	})
	if err := usable("ci-0", now); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("a revoked token: %v", err)
	}
	write(t, s, func(q *db.Queries) error {
		n, err := q.RevokeTokensOfUser(ctx, u.ID, now)
		if n != 1 {
			t.Errorf("revoked %d of the one that was left", n)
		}
		return err
	})
	if all := must[[]db.Token](t)(q.Tokens(ctx)); len(all) != 2 || all[0].RevokedAt != now || all[1].RevokedAt != now {
		t.Errorf("tokens %+v", all)
	}
}
