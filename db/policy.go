package db

import (
	"context"
	"fmt"
)

// RoleSpec is a role as it is written. Rules are JSON; what they mean is decided by package access.
type RoleSpec struct {
	Name        string
	Description string
	Rules       string
	ReadOnly    bool
	Now         int64
}

// BindingSpec gives a role to a user or a group.
type BindingSpec struct {
	SubjectKind string // user or group
	Subject     string
	Role        string
	Clusters    List
	Namespaces  List
	ExpiresAt   int64
	Now         int64
}

// bump comes first in every change of rights: it also makes such changes wait for each other, so
// that a rule over all of them (one administrator must stay) can be checked after the change.
func (q *Queries) bump(ctx context.Context) error {
	_, err := q.bumpPolicy(ctx)
	return wrap("bump the policy version", err)
}

// CreateRole adds a role. ErrConflict: there is one of this name.
func (q *Queries) CreateRole(ctx context.Context, r RoleSpec) (Role, error) {
	if err := q.bump(ctx); err != nil {
		return Role{}, err
	}
	role, err := q.insertRole(ctx, insertRoleParams{
		Name: r.Name, Description: r.Description, Rules: r.Rules, ReadOnly: r.ReadOnly, Now: r.Now,
	})
	return role, wrap("create role "+r.Name, err)
}

// UpdateRole replaces a role that is not built in.
func (q *Queries) UpdateRole(ctx context.Context, r RoleSpec) (Role, error) {
	if err := q.bump(ctx); err != nil {
		return Role{}, err
	}
	role, err := q.replaceRole(ctx, replaceRoleParams{
		Name: r.Name, Description: r.Description, Rules: r.Rules, ReadOnly: r.ReadOnly, UpdatedAt: r.Now,
	})
	return role, wrap("update role "+r.Name, err)
}

// DeleteRole removes a role that is not built in. ErrConflict: a binding or a token still has it.
func (q *Queries) DeleteRole(ctx context.Context, name string) error {
	if err := q.bump(ctx); err != nil {
		return err
	}
	return wrap("delete role "+name, found(q.removeRole(ctx, name)))
}

// PutBuiltInRole makes a built-in role what the program says it is. The policy version stays if it is
// that already.
func (q *Queries) PutBuiltInRole(ctx context.Context, r RoleSpec) error {
	changed, err := q.putBuiltInRole(ctx, putBuiltInRoleParams(r))
	if err != nil {
		return fmt.Errorf("put role %s: %w", r.Name, err)
	}
	if changed == 0 {
		return nil
	}
	return q.bump(ctx)
}

// CreateBinding adds a binding. ErrConflict: there is no such role.
func (q *Queries) CreateBinding(ctx context.Context, b BindingSpec) (Binding, error) {
	if err := q.bump(ctx); err != nil {
		return Binding{}, err
	}
	binding, err := q.insertBinding(ctx, insertBindingParams(b))
	return binding, wrap("create binding", err)
}

// UpdateBinding replaces what a binding gives; whom it is for stays.
func (q *Queries) UpdateBinding(ctx context.Context, id int64, b BindingSpec) (Binding, error) {
	if err := q.bump(ctx); err != nil {
		return Binding{}, err
	}
	binding, err := q.replaceBinding(ctx, replaceBindingParams{
		ID: id, Role: b.Role, Clusters: b.Clusters, Namespaces: b.Namespaces, ExpiresAt: b.ExpiresAt, UpdatedAt: b.Now,
	})
	return binding, wrap("update binding", err)
}

// DeleteBinding removes a binding.
func (q *Queries) DeleteBinding(ctx context.Context, id int64) error {
	if err := q.bump(ctx); err != nil {
		return err
	}
	return wrap("delete binding", found(q.removeBinding(ctx, id)))
}
