package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/handlers"
)

// adminName is the user that a first start makes.
const adminName = "admin"

// firstUser makes the user admin where there is no user yet. It returns the one-time password that was made up, if so.
func firstUser(ctx context.Context, store *db.Store, password string) (once string, err error) {
	n, err := store.Read().CountUsers(ctx)
	if err != nil || n > 0 {
		return "", err
	}
	if password == "" {
		once = access.NewPassword()
		password = once
	} else if err := access.CheckPassword(adminName, password); err != nil {
		return "", settingError{setting: "--admin-password", problem: "cannot be used", err: err}
	}
	return once, addUser(ctx, store, adminName, access.RoleAdmin, password, once != "")
}

// addUser makes a user with a role everywhere.
func addUser(ctx context.Context, store *db.Store, name, role, password string, mustChange bool) error {
	hash, err := access.HashPassword(password)
	if err != nil {
		return err
	}
	return store.Write(ctx, func(q *db.Queries) error {
		now := time.Now().UnixMicro()
		user, err := q.CreateUser(ctx, db.CreateUserParams{Name: name, PasswordHash: db.NewSecret(hash), MustChangePassword: mustChange, Now: now})
		if errors.Is(err, db.ErrConflict) {
			return fmt.Errorf("there is a user %s already", name)
		}
		if err != nil {
			return err
		}
		_, err = q.CreateBinding(ctx, db.BindingSpec{SubjectKind: access.SubjectUser, Subject: user.Name, Role: role, Now: now})
		return err
	})
}

// userCommand is about local users.
type userCommand struct {
	Add    userAddCommand    `cmd:"" help:"Add a user."`
	Passwd userPasswdCommand `cmd:"" help:"Give a user a new password and end their sessions."`
}

// userAddCommand adds a user.
type userAddCommand struct {
	Store storeSettings `embed:""`
	Log   logSettings   `embed:""`

	Name          string `arg:"" help:"The user's name."`
	Role          string `help:"Role in all clusters: admin, operator, viewer or one of your own." default:"viewer"`
	PasswordStdin bool   `help:"Read the password from standard input instead of making up a one-time password."`
}

// Run adds the user and says the one-time password, if one was made up.
func (c *userAddCommand) Run(ctx context.Context, std streams) error {
	store, done, err := openForUsers(ctx, std, c.Store, c.Log)
	if err != nil {
		return err
	}
	defer done()
	if _, err := store.Read().Role(ctx, c.Role); errors.Is(err, db.ErrNotFound) {
		return settingError{setting: "--role", problem: fmt.Sprintf("there is no role %q", c.Role)}
	} else if err != nil {
		return err
	}
	password, once, err := choosePassword(std, c.Name, c.PasswordStdin)
	if err != nil {
		return err
	}
	if err := addUser(ctx, store, c.Name, c.Role, password, once); err != nil {
		return err
	}
	return sayPassword(std, c.Name, password, once)
}

// userPasswdCommand replaces a password.
type userPasswdCommand struct {
	Store storeSettings `embed:""`
	Log   logSettings   `embed:""`

	Name          string `arg:"" help:"The user's name."`
	PasswordStdin bool   `help:"Read the password from standard input instead of making up a one-time password."`
}

// Run replaces the password and ends the user's sessions.
func (c *userPasswdCommand) Run(ctx context.Context, std streams) error {
	store, done, err := openForUsers(ctx, std, c.Store, c.Log)
	if err != nil {
		return err
	}
	defer done()
	user, err := store.Read().UserByName(ctx, c.Name)
	if errors.Is(err, db.ErrNotFound) {
		return fmt.Errorf("there is no user %s", c.Name)
	}
	if err != nil {
		return err
	}
	password, once, err := choosePassword(std, user.Name, c.PasswordStdin)
	if err != nil {
		return err
	}
	hash, err := access.HashPassword(password)
	if err != nil {
		return err
	}
	err = store.Write(ctx, func(q *db.Queries) error {
		_, err := q.SetPassword(ctx, db.SetPasswordParams{ID: user.ID, PasswordHash: db.NewSecret(hash), MustChangePassword: once, Now: time.Now().UnixMicro()})
		if err != nil {
			return err
		}
		_, err = q.DeleteSessionsOfUser(ctx, user.ID)
		return err
	})
	if err != nil {
		return err
	}
	return sayPassword(std, user.Name, password, once)
}

// openForUsers opens the store for a change by hand. With SQLite the server has to be stopped for it.
func openForUsers(ctx context.Context, std streams, s storeSettings, l logSettings) (*db.Store, func(), error) {
	log, err := l.logger(std)
	if err != nil {
		return nil, nil, err
	}
	store, err := s.open(ctx, log, false)
	if err != nil {
		return nil, nil, err
	}
	if err := handlers.SeedRoles(ctx, store, time.Now()); err != nil {
		return nil, nil, errors.Join(err, store.Close())
	}
	return store, func() {
		if err := store.Close(); err != nil {
			fmt.Fprintln(std.err, "tiga:", err)
		}
	}, nil
}

// choosePassword reads a password from standard input, or makes one up that has to be changed.
func choosePassword(std streams, name string, stdin bool) (password string, once bool, err error) {
	if !stdin {
		return access.NewPassword(), true, nil
	}
	line, err := bufio.NewReader(std.in).ReadString('\n')
	if err != nil && line == "" {
		return "", false, errors.New("no password on standard input")
	}
	password = strings.TrimRight(line, "\r\n")
	if err := access.CheckPassword(name, password); err != nil {
		return "", false, settingError{setting: "--password-stdin", problem: "the password cannot be used", err: err}
	}
	return password, false, nil
}

func sayPassword(std streams, name, password string, once bool) error {
	if !once {
		_, err := fmt.Fprintf(std.out, "%s can sign in.\n", name)
		return err
	}
	_, err := fmt.Fprintf(std.out, "%s can sign in with the one-time password %s\n", name, password)
	return err
}
