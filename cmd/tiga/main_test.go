package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tiga/db"
	"tiga/db/seal"
)

// output is what a command wrote, both streams together.
func output(t *testing.T, args ...string) (code int, text string) {
	t.Helper()
	var out bytes.Buffer
	code = run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &out})
	return code, out.String()
}

// madeStore is a data directory with a store that has seen a first start.
func madeStore(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	if code, text := output(t, "migrate", "--data-dir", dir); code != 0 {
		t.Fatalf("migrate: %d %s", code, text)
	}
	return dir
}

// TestA26_WithoutItsKeyNothingStarts proves that a store whose key is gone, or another, is neither opened nor changed, and
// that the process says so with the exit code for wrong settings.
func TestA26_WithoutItsKeyNothingStarts(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(key string) error{
		"gone":             os.Remove,
		"empty":            func(key string) error { return rewrite(key, "") },
		"another":          func(key string) error { return rewrite(key, strings.Repeat("A", 43)+"=\n") },
		"open to everyone": func(key string) error { return os.Chmod(key, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := madeStore(t)
			before, err := os.ReadFile(filepath.Join(dir, "tiga.db"))
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(filepath.Join(dir, "tiga.key")); err != nil {
				t.Fatal(err)
			}
			for _, command := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"migrate"}, {"user", "add", "ada"}, {"audit", "verify"}} {
				code, text := output(t, append(command, "--data-dir", dir)...)
				if code != exitConfig || !strings.Contains(text, "--key-file") {
					t.Errorf("%s: exit code %d, %s", strings.Join(command, " "), code, text)
				}
			}
			after, err := os.ReadFile(filepath.Join(dir, "tiga.db"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(before, after) {
				t.Error("the store was changed")
			}
		})
	}
}

func rewrite(path, text string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o400)
}

// TestAuditB_TheSpoolIsInTheDataDirectory leaves a row behind as a process does whose store is away, and finds it in the
// record after the next start.
func TestAuditB_TheSpoolIsInTheDataDirectory(t *testing.T) {
	t.Parallel()
	dir := madeStore(t)
	keys, err := seal.ReadKeyring(filepath.Join(dir, "tiga.key"))
	if err != nil {
		t.Fatal(err)
	}
	// A store of its own, so that its rows are in the spool and nowhere else.
	other, err := db.Open(t.Context(), db.Config{URL: filepath.Join(t.TempDir(), "tiga.db"), Keys: keys, Spool: dir})
	if err != nil {
		t.Fatal(err)
	}
	// SQLite has one writer, and it is taken while the row is written.
	err = other.Write(t.Context(), func(*db.Queries) error {
		return other.Audit().Record(t.Context(), db.Event{Actor: "eve", Verb: "delete", Resource: "pods", Decision: db.DecisionDeny, Result: db.ResultDenied})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := storeSettings{DataDir: dir}.open(t.Context(), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	page, err := store.Audit().List(t.Context(), db.AuditFilter{Actor: "eve"})
	if err != nil || len(page.Lines) != 1 {
		t.Errorf("the record has %d rows of it, %v", len(page.Lines), err)
	}
}

// TestKubeconfigsOfTheOperator reads KUBECONFIG as kubectl does, and says so when a named file is not there.
func TestKubeconfigsOfTheOperator(t *testing.T) { //nolint:paralleltest // it sets the environment
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("KUBECONFIG", "")
	file := func(path string) string {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := func(flag string, files ...string) {
		t.Helper()
		got, err := operatorKubeconfigs(flag)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(files, got); diff != "" {
			t.Errorf("flag %q (-want +got):\n%s", flag, diff)
		}
	}
	want("")
	usual := file(".kube/config")
	want("", usual)
	a, b, c := file("a"), file("b"), file("c")
	t.Setenv("KUBECONFIG", ":"+a+"::"+b+":") // empty elements name no file
	want("", a, b)
	want(c, c)
	want(c+":"+a, c, a)
	t.Setenv("KUBECONFIG", a+":"+filepath.Join(home, "none"))
	if _, err := operatorKubeconfigs(""); err == nil || !strings.Contains(err.Error(), "--kubeconfig") {
		t.Errorf("a named file that is not there: %v", err)
	} else if _, ok := errors.AsType[settingError](err); !ok {
		t.Errorf("it is no wrong setting: %v", err)
	}
}
