package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

const (
	// Ports come from below the range that the kernel gives to outgoing
	// connections, any of which could otherwise take one between its choice
	// and its use, or while an API server is stopped.
	firstPort = 20000
	lastPort  = 31999
	// portTries bounds the search on a machine with no port left.
	portTries = 2000
)

// claim holds a port against other testbeds on the machine until it is
// released or the process ends.
type claim struct {
	port int
	lock *os.File
}

// claimPorts chooses n ports that nobody listens on and no other testbed has
// chosen.
func claimPorts(cache string, n int) ([]claim, error) {
	var claims []claim
	for range portTries {
		if len(claims) == n {
			return claims, nil
		}
		c, err := claimPort(cache, firstPort+rand.IntN(lastPort-firstPort+1))
		if errors.Is(err, errPortTaken) {
			continue
		}
		if err != nil {
			release(claims)
			return nil, err
		}
		claims = append(claims, c)
	}
	release(claims)
	return nil, fmt.Errorf("no %d free ports between %d and %d", n, firstPort, lastPort)
}

var errPortTaken = errors.New("the port is taken")

func claimPort(cache string, port int) (claim, error) {
	dir := filepath.Join(cache, "ports")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return claim{}, fmt.Errorf("make the folder for port locks: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return claim{}, fmt.Errorf("open a port lock: %w", err)
	}
	if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		lock.Close()
		return claim{}, errPortTaken
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		lock.Close()
		return claim{}, errPortTaken
	}
	listener.Close()
	return claim{port: port, lock: lock}, nil
}

func release(claims []claim) {
	for _, c := range claims {
		// Closing alone frees it only once every child that was being started meanwhile has let go of its copy.
		_ = syscall.Flock(int(c.lock.Fd()), syscall.LOCK_UN)
		c.lock.Close()
	}
}
