package db_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/dbtest"
)

// own runs the queries of what users keep for themselves.
func own(t *testing.T, s *db.Store) {
	ctx, q := t.Context(), s.Read()
	ann, bob := createUser(t, s, "Keeping Ann"), createUser(t, s, "Keeping Bob")
	for _, value := range []string{`["name"]`, `["name","node"]`} {
		write(t, s, func(q *db.Queries) error { return q.SetPreference(ctx, ann.ID, "columns/pods", value, now) })
	}
	write(t, s, func(q *db.Queries) error { return q.SetPreference(ctx, bob.ID, "density", `"compact"`, now) })
	want := []db.PreferencesRow{{Key: "columns/pods", Value: `["name","node"]`}}
	if diff := cmp.Diff(want, must[[]db.PreferencesRow](t)(q.Preferences(ctx, ann.ID))); diff != "" {
		t.Errorf("Ann's preferences (-want +got):\n%s", diff)
	}
	write(t, s, func(q *db.Queries) error { _, err := q.DeletePreference(ctx, ann.ID, "columns/pods"); return err })
	if got := must[[]db.PreferencesRow](t)(q.Preferences(ctx, ann.ID)); len(got) != 0 {
		t.Errorf("after the reset Ann keeps %v", got)
	}

	create := func(v db.NewView) (view db.SavedView, err error) {
		v.Now = now
		err = s.Write(ctx, func(q *db.Queries) error { view, err = q.CreateView(ctx, v); return err })
		return view, err
	}
	broken := must[db.SavedView](t)(create(db.NewView{UserID: ann.ID, Kind: "pods", Name: "Broken", Query: "q=%21running", Pinned: true}))
	if diff := cmp.Diff(db.SavedView{ID: broken.ID, UserID: ann.ID, Kind: "pods", Name: "Broken", Query: "q=%21running", Pinned: true, CreatedAt: now, UpdatedAt: now}, broken); diff != "" {
		t.Errorf("the view (-want +got):\n%s", diff)
	}
	if _, err := create(db.NewView{UserID: ann.ID, Kind: "pods", Name: "Broken"}); !errors.Is(err, db.ErrConflict) {
		t.Errorf("a second view of the name: %v", err)
	}
	for _, v := range []db.NewView{{UserID: ann.ID, Kind: "nodes", Name: "Broken"}, {UserID: bob.ID, Kind: "pods", Name: "Broken"}} {
		must[db.SavedView](t)(create(v))
	}
	update := func(user int64, name string) error {
		return s.Write(ctx, func(q *db.Queries) error { return q.UpdateView(ctx, broken.ID, user, name, false, now+minute) })
	}
	if err := update(bob.ID, "Mine"); !errors.Is(err, db.ErrNotFound) {
		t.Errorf("Bob renames Ann's view: %v", err)
	}
	if err := update(ann.ID, strings.Repeat("x", db.MaxViewName+1)); !errors.Is(err, db.ErrLimit) {
		t.Errorf("a name that is too long: %v", err)
	}
	if err := update(ann.ID, "<b>Not well"); err != nil {
		t.Error(err)
	}
	var names []string
	for _, v := range must[[]db.SavedView](t)(q.Views(ctx, ann.ID)) {
		names = append(names, fmt.Sprint(v.Kind, " ", v.Name, " ", v.Pinned))
	}
	if diff := cmp.Diff([]string{"nodes Broken false", "pods <b>Not well false"}, names); diff != "" {
		t.Errorf("Ann's views (-want +got):\n%s", diff)
	}
	gone := func(user int64) (n int64) {
		write(t, s, func(q *db.Queries) (err error) { n, err = q.DeleteView(ctx, broken.ID, user); return err })
		return n
	}
	if mine, hers := gone(bob.ID), gone(ann.ID); mine != 0 || hers != 1 {
		t.Errorf("Bob deletes %d, Ann %d", mine, hers)
	}
	write(t, s, func(q *db.Queries) error { _, err := q.DeleteUser(ctx, bob.ID); return err })
	if views, prefs := must[[]db.SavedView](t)(q.Views(ctx, bob.ID)), must[[]db.PreferencesRow](t)(q.Preferences(ctx, bob.ID)); len(views)+len(prefs) != 0 {
		t.Errorf("a user who is gone keeps %v and %v", views, prefs)
	}
}

func TestWhatAUserKeepsIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, open func(...dbtest.Option) *db.Store) {
		s, ctx := open(), t.Context()
		user := createUser(t, s, "Ann")
		write(t, s, func(q *db.Queries) error {
			for i := range db.MaxViews - 1 {
				if _, err := q.CreateView(ctx, db.NewView{UserID: user.ID, Kind: "pods", Name: fmt.Sprint("v", i), Now: now}); err != nil {
					return err
				}
			}
			for i := range db.MaxPreferences {
				if err := q.SetPreference(ctx, user.ID, fmt.Sprint("k", i), "1", now); err != nil {
					return err
				}
			}
			return nil
		})
		// Several at once: one of them finds room.
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for i := range errs {
			wg.Go(func() {
				errs[i] = s.Write(ctx, func(q *db.Queries) error {
					_, err := q.CreateView(ctx, db.NewView{UserID: user.ID, Kind: "pods", Name: fmt.Sprint("last", i), Now: now})
					return err
				})
			})
		}
		wg.Wait()
		made := 0
		for _, err := range errs {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, db.ErrLimit):
				t.Errorf("one view too many: %v", err)
			}
		}
		if made != 1 {
			t.Errorf("%d of 4 views were made where there was room for one", made)
		}
		set := func(key, value string) error {
			return s.Write(ctx, func(q *db.Queries) error { return q.SetPreference(ctx, user.ID, key, value, now) })
		}
		if err := set("k1", "2"); err != nil {
			t.Errorf("a preference that is there is changed: %v", err)
		}
		for _, p := range [][2]string{{"one more", "1"}, {"", "1"}, {strings.Repeat("k", db.MaxPreferenceKey+1), "1"}, {"k1", strings.Repeat("v", db.MaxPreferenceValue+1)}} {
			if err := set(p[0], p[1]); !errors.Is(err, db.ErrLimit) {
				t.Errorf("a preference of %d and %d bytes: %v", len(p[0]), len(p[1]), err)
			}
		}
		err := s.Write(ctx, func(q *db.Queries) error {
			_, err := q.CreateView(ctx, db.NewView{UserID: 9999, Kind: "pods", Name: "x", Now: now})
			return err
		})
		if !errors.Is(err, db.ErrNotFound) {
			t.Errorf("a view of nobody: %v", err)
		}
	})
}
