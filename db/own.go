package db

import (
	"context"
	"fmt"
)

// What one user may keep. The limits are far above what anybody needs, and keep one account from filling the store.
const (
	MaxPreferences     = 300
	MaxPreferenceKey   = 320
	MaxPreferenceValue = 4096
	MaxViews           = 100
	MaxViewName        = 80
	MaxViewQuery       = 4096
)

// NewView is a list that a user wants to go back to.
type NewView struct {
	UserID int64
	Kind   string // ID of the kind
	Name   string
	Query  string // query string of the list
	Pinned bool   // stands in the sidebar
	Now    int64
}

// SetPreference keeps a value for a user. More or longer ones than a user may keep are an ErrLimit.
func (q *Queries) SetPreference(ctx context.Context, user int64, key, value string, now int64) error {
	if key == "" || len(key) > MaxPreferenceKey || len(value) > MaxPreferenceValue {
		return fmt.Errorf("set preference: key of %d and value of %d bytes: %w", len(key), len(value), ErrLimit)
	}
	if err := found(q.lockUser(ctx, user)); err != nil {
		return fmt.Errorf("set preference: %w", err)
	}
	n, err := q.countPreferences(ctx, user, key)
	if err == nil && n >= MaxPreferences {
		err = ErrLimit
	}
	if err == nil {
		err = q.setPreference(ctx, setPreferenceParams{UserID: user, Key: key, Value: value, UpdatedAt: now})
	}
	return wrap("set preference", err)
}

// CreateView keeps a list under a name. A second one of the same kind and name is an ErrConflict; more than MaxViews
// are an ErrLimit.
func (q *Queries) CreateView(ctx context.Context, v NewView) (SavedView, error) {
	if v.Name == "" || len(v.Name) > MaxViewName || len(v.Query) > MaxViewQuery || len(v.Kind) > MaxPreferenceKey {
		return SavedView{}, fmt.Errorf("create view: name of %d and query of %d bytes: %w", len(v.Name), len(v.Query), ErrLimit)
	}
	if err := found(q.lockUser(ctx, v.UserID)); err != nil {
		return SavedView{}, fmt.Errorf("create view: %w", err)
	}
	n, err := q.countViews(ctx, v.UserID)
	if err != nil {
		return SavedView{}, fmt.Errorf("create view: %w", err)
	}
	if n >= MaxViews {
		return SavedView{}, fmt.Errorf("create view: there are %d: %w", n, ErrLimit)
	}
	view, err := q.insertView(ctx, insertViewParams(v))
	return view, wrap("create view", err)
}

// UpdateView renames a view of a user and says whether it stands in the sidebar.
func (q *Queries) UpdateView(ctx context.Context, id, user int64, name string, pinned bool, now int64) error {
	if name == "" || len(name) > MaxViewName {
		return fmt.Errorf("update view: name of %d bytes: %w", len(name), ErrLimit)
	}
	return wrap("update view", found(q.updateView(ctx, updateViewParams{ID: id, UserID: user, Name: name, Pinned: pinned, Now: now})))
}
