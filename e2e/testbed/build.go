package testbed

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// The build modules are kept under other names than go.mod and go.sum: a
// folder with a go.mod is a module of its own, which go:embed cannot reach.
//
//go:embed build/*/*.mod build/*/*.sum build/*/*.go
var buildFiles embed.FS

const (
	// cacheEnv names the folder for what was built, in place of the user's
	// cache folder.
	cacheEnv = "TIGA_TESTBED_CACHE"
	// progressEvery is how often a build that says nothing shows a line.
	progressEvery = 15 * time.Second
)

// Binaries are the paths of the programs that a cluster is made of.
type Binaries struct {
	Kubernetes string // the API server, the controller manager, the scheduler; its first argument says which
	Kubectl    string
	Etcd       string
	KWOK       string
	Metrics    string // metrics-server; empty where the cluster has none
}

// program is one thing to build: the module in build/NAME.
type program struct {
	name    string
	pkg     string
	ldflags func(mod string) (string, error)
}

func programs() []program {
	plain := func(string) (string, error) { return "-s -w", nil }
	return []program{
		{"etcd", "go.etcd.io/etcd/server/v3", plain},
		{"kwok", "sigs.k8s.io/kwok/cmd/kwok", plain},
		{"kubernetes", "main.go", kubernetesFlags},
		{metricsServer, "sigs.k8s.io/metrics-server/cmd/metrics-server", plain},
	}
}

// kubernetesFlags stamps the version, without which the server says that it
// is v0.0.0-master and refuses to emulate an older one.
func kubernetesFlags(mod string) (string, error) {
	version, err := kubernetesVersion(mod)
	if err != nil {
		return "", err
	}
	major, minor, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	flags := []string{"-s", "-w"}
	for _, v := range []string{"gitVersion=" + version, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"} {
		flags = append(flags, "-X", "k8s.io/component-base/version."+v)
	}
	return strings.Join(flags, " "), nil
}

func kubernetesVersion(mod string) (string, error) {
	found := regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v\S+)`).FindStringSubmatch(mod)
	if found == nil {
		return "", errors.New("the build module of kubernetes does not say which version")
	}
	return found[1], nil
}

// Build makes sure that the programs of a cluster are there, building what is
// missing, and writes what it does to out. The first build takes minutes;
// what it made is kept in the user's cache folder, or in the one that
// TIGA_TESTBED_CACHE names, and found again until a build module or the Go
// version changes. Several processes may call it at once: one builds, the
// others wait.
func Build(ctx context.Context, out io.Writer) (Binaries, error) {
	return build(ctx, out, true)
}

// build leaves metrics-server out unless the cluster has one: its first
// build takes minutes of its own.
func build(ctx context.Context, out io.Writer, metrics bool) (Binaries, error) {
	cache, err := cacheDir()
	if err != nil {
		return Binaries{}, err
	}
	goVersion, err := goVersion(ctx)
	if err != nil {
		return Binaries{}, err
	}
	built := map[string]string{}
	for _, p := range programs() {
		if p.name == metricsServer && !metrics {
			continue
		}
		file, err := p.build(ctx, cache, goVersion, out)
		if err != nil {
			return Binaries{}, fmt.Errorf("build %s: %w", p.name, err)
		}
		built[p.name] = file
	}
	return Binaries{
		Kubernetes: built["kubernetes"],
		Kubectl:    filepath.Join(filepath.Dir(built["kubernetes"]), "kubectl"),
		Etcd:       built["etcd"],
		KWOK:       built["kwok"],
		Metrics:    built[metricsServer],
	}, nil
}

func cacheDir() (string, error) {
	dir := os.Getenv(cacheEnv)
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("find a folder for the programs (set %s): %w", cacheEnv, err)
		}
		dir = filepath.Join(user, "tiga-testbed")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find the folder for the programs: %w", err)
	}
	return dir, nil
}

func goVersion(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH")
	cmd.Env = buildEnv()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version (is Go installed?): %w", err)
	}
	return strings.Join(strings.Fields(string(out)), "-"), nil
}

// buildEnv is the environment of a build: the caller's flags and workspace
// are for the caller's module and would change what comes out.
func buildEnv() []string {
	return append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off", "GO111MODULE=on")
}

// build returns the path of the program, which it builds unless it is there.
func (p program) build(ctx context.Context, cache, goVersion string, out io.Writer) (string, error) {
	dir := path.Join("build", p.name)
	mod, err := buildFiles.ReadFile(path.Join(dir, p.name+".mod"))
	if err != nil {
		return "", fmt.Errorf("read its module: %w", err)
	}
	ldflags, err := p.ldflags(string(mod))
	if err != nil {
		return "", err
	}
	key, err := p.key(dir, goVersion, ldflags)
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, p.name+"-"+key)
	file := filepath.Join(home, p.name)
	if exists(file) {
		return file, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the folder for the programs: %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, p.name+".lock"), out, p.name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(file) {
		return file, nil
	}
	if err := p.compile(ctx, cache, home, ldflags, out); err != nil {
		return "", err
	}
	return file, nil
}

// key names what the program is built from.
func (p program) key(dir, goVersion, ldflags string) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%s\n", goVersion, p.pkg, ldflags)
	err := fs.WalkDir(buildFiles, dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := buildFiles.ReadFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the build module: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

// compile builds in a folder of its own and renames it at the end, so that a
// build that was broken off leaves nothing that looks finished.
func (p program) compile(ctx context.Context, cache, home, ldflags string, out io.Writer) error {
	work, err := os.MkdirTemp(cache, "."+p.name+"-")
	if err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	defer os.RemoveAll(work)
	source, result := filepath.Join(work, "source"), filepath.Join(work, "result")
	if err := p.writeSource(source); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", ldflags, "-o", filepath.Join(result, p.name), p.pkg)
	cmd.Dir = source
	cmd.Env = buildEnv()
	// The compilers are children of go: all of them end when ctx does.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := runShown(cmd, "building "+p.name, out); err != nil {
		return err
	}
	if p.name == "kubernetes" {
		if err := os.Symlink(p.name, filepath.Join(result, "kubectl")); err != nil {
			return fmt.Errorf("name kubectl: %w", err)
		}
	}
	if err := os.RemoveAll(home); err != nil {
		return fmt.Errorf("remove an unfinished build: %w", err)
	}
	if err := os.Rename(result, home); err != nil {
		return fmt.Errorf("keep what was built: %w", err)
	}
	return nil
}

func (p program) writeSource(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make a folder to build in: %w", err)
	}
	entries, err := buildFiles.ReadDir(path.Join("build", p.name))
	if err != nil {
		return fmt.Errorf("read the build module: %w", err)
	}
	for _, entry := range entries {
		content, err := buildFiles.ReadFile(path.Join("build", p.name, entry.Name()))
		if err != nil {
			return fmt.Errorf("read the build module: %w", err)
		}
		name := entry.Name()
		switch path.Ext(name) {
		case ".mod":
			name = "go.mod"
		case ".sum":
			name = "go.sum"
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return fmt.Errorf("write the build module: %w", err)
		}
	}
	return nil
}

// runShown runs cmd and writes to out that it still runs, for how long, and
// how it ended. What cmd itself says is part of the error.
func runShown(cmd *exec.Cmd, what string, out io.Writer) error {
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	start := time.Now()
	fmt.Fprintf(out, "%s (once; a few minutes for kubernetes)\n", what)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("go build: %w\n%s", err, tail(said.String(), 40))
			}
			fmt.Fprintf(out, "%s: done in %s\n", what, elapsed(start))
			return nil
		case <-tick.C:
			fmt.Fprintf(out, "%s: %s\n", what, elapsed(start))
		}
	}
}

// lockFile takes the lock of name, waiting for other processes, and returns
// what gives it back. The kernel gives it back too when the process ends.
func lockFile(ctx context.Context, name string, out io.Writer, what string) (unlock func(), err error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	start, shown := time.Now(), time.Now()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", name, err)
		}
		if time.Since(shown) >= progressEvery {
			shown = time.Now()
			fmt.Fprintf(out, "waiting for another process with %s: %s\n", what, elapsed(start))
		}
		select {
		case <-ctx.Done():
			file.Close()
			return nil, fmt.Errorf("wait for the lock %s: %w", name, ctx.Err())
		case <-time.After(pollEvery):
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

func elapsed(since time.Time) time.Duration {
	return time.Since(since).Round(time.Second)
}

// tail returns the last lines of s.
func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return strings.Join(all, "\n")
}
