package dbtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// startLimit is how long a new server may take; a machine that runs other tests is slow.
const startLimit = 60 * time.Second

// errNoBinaries says that PostgreSQL is not installed.
var errNoBinaries = errors.New("no PostgreSQL here: neither initdb and postgres on PATH nor /usr/lib/postgresql/*/bin")

// shared is the server of this test process: tests of a process share it, and each has its own
// database. There is no better place for it, since a test binary has no owner but its process.
var shared struct {
	once      sync.Once
	server    *Server
	err       error
	databases atomic.Int64
}

// Server is a PostgreSQL server for tests.
type Server struct {
	dir    string // also of its socket, so that no port can be taken by somebody else
	bin    string
	stop   io.Closer // the server ends when this is closed, or its process dies
	exited chan struct{}
}

// PostgresURL makes an empty database on the server of this process and drops it when the test ends.
// Where PostgreSQL is not installed the test is skipped, except in CI.
func PostgresURL(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = start() })
	return shared.server.database(t, shared.err)
}

// StartPostgres starts a server for one test, which may stop and start it.
func StartPostgres(t testing.TB) *Server {
	t.Helper()
	s, err := start()
	require(t, err)
	t.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(s.dir)
	})
	return s
}

func require(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoBinaries) && os.Getenv("CI") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Server) database(t testing.TB, err error) string {
	t.Helper()
	require(t, err)
	name := "t" + strconv.FormatInt(shared.databases.Add(1), 10)
	// Not the test's context: it has ended when the database is dropped.
	s.admin(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { s.admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return s.URL(name)
}

func (s *Server) admin(t testing.TB, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	c, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// URL is the address of one of the server's databases; "postgres" is always there.
func (s *Server) URL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("tiga"), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Dump is a database of PostgresURL as pg_dump writes it: what whoever steals a backup sees.
func Dump(t testing.TB, address string) []byte {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), filepath.Join(shared.server.bin, "pg_dump"), "--inserts", address).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	return out
}

// start makes a server in a new directory.
func start() (*Server, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	// Short, since a socket's path is bounded, and open to the user that the server runs as.
	dir, err := os.MkdirTemp("/tmp", "tiga-pg-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, bin: bin}
	attr, err := s.owner()
	if err != nil {
		return nil, err
	}
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "tiga", "-A", "trust",
		"-E", "UTF8", "--locale=C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Start()
}

// Start starts a server that was stopped, with the data and the address that it had.
func (s *Server) Start() error {
	attr, err := s.owner()
	if err != nil {
		return err
	}
	output, err := os.Create(filepath.Join(s.dir, "log"))
	if err != nil {
		return err
	}
	defer output.Close()
	// The shell waits for the end of its input, which comes when this process closes it or dies in
	// whatever way, and then ends the server. No server outlives its tests.
	const script = `"$@" & pid=$!
read -r how
case $how in kill) kill -QUIT $pid;; *) kill -INT $pid;; esac
wait $pid
[ "$how" ] || rm -rf "$PGTEST_DIR"`
	c := exec.Command("/bin/sh", "-c", script, "sh", filepath.Join(s.bin, "postgres"), "-D", filepath.Join(s.dir, "data"),
		"-h", "", "-k", s.dir, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=400",
		"-c", "shared_buffers=64MB", "-c", "timezone=UTC")
	attr.Setsid = true // an interrupt at the keyboard is for the tests; they end the server
	c.SysProcAttr, c.Dir, c.Stdout, c.Stderr = attr, s.dir, output, output
	c.Env = append(os.Environ(), "PGTEST_DIR="+s.dir)
	stop, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	exited := make(chan struct{})
	go func() {
		_ = c.Wait()
		close(exited)
	}()
	s.stop, s.exited = stop, exited
	return s.await()
}

// Stop stops the server and keeps its data.
func (s *Server) Stop() { s.end("stop\n") }

// Kill ends the server as a crash would: nothing is flushed, connections break.
func (s *Server) Kill() { s.end("kill\n") }

func (s *Server) end(how string) {
	if s.stop == nil {
		return
	}
	_, _ = io.WriteString(s.stop.(io.Writer), how)
	_ = s.stop.Close()
	<-s.exited
	s.stop = nil
}

func (s *Server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for {
		c, err := pgx.Connect(ctx, s.URL("postgres"))
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-s.exited:
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
			continue
		}
		text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		return fmt.Errorf("PostgreSQL did not start: %w: %s", err, text)
	}
}

// owner gives the directory to the user that the server runs as: PostgreSQL refuses to run as root.
func (s *Server) owner() (*syscall.SysProcAttr, error) {
	if os.Geteuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(s.dir, uid, gid)); err != nil {
			return nil, err
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// binaries finds the directory of initdb and postgres, the newest version first.
func binaries() (string, error) {
	var dirs []string
	if path, err := exec.LookPath("initdb"); err == nil {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.SortFunc(installed, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range append(dirs, installed...) {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err == nil {
			return dir, nil
		}
	}
	return "", errNoBinaries
}

func version(bin string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(filepath.Dir(bin)), "/"))
	return n
}
