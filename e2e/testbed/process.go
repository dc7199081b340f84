package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How often a condition is looked at: one that costs nothing, and one that
// the API server has to work for.
const (
	pollEvery   = 25 * time.Millisecond
	settleEvery = 250 * time.Millisecond
)

// process is one that the testbed started. Its number alone does not name it
// for long, numbers come round again: boot and start time do.
type process struct {
	Name  string
	PID   int
	Start uint64 // clock ticks since boot
	Boot  string
}

// spawn starts the program with its output in logs/NAME.log. Unless it is
// detached, it ends with this process.
func spawn(dir, name string, detached bool, program string, args ...string) (process, error) {
	logs := filepath.Join(dir, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return process{}, fmt.Errorf("make the folder for logs: %w", err)
	}
	log, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return process{}, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if detached {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	started := make(chan error)
	go func() {
		// The death signal comes when the thread that started the process
		// ends, not the program: this goroutine keeps the thread for as long
		// as the process lives.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			// How it ended is in its log; who waits for it asks alive.
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return process{}, fmt.Errorf("start %s: %w", name, err)
	}
	p := process{Name: name, PID: cmd.Process.Pid}
	p.Start, _, err = procStat(p.PID)
	if err != nil {
		return process{}, fmt.Errorf("start %s: it ended at once", name)
	}
	p.Boot, err = bootID()
	if err != nil {
		return process{}, err
	}
	return p, nil
}

// alive says whether the process still runs: it and no other with its number.
func (p process) alive() bool {
	if p.PID == 0 {
		return false
	}
	start, state, err := procStat(p.PID)
	if err != nil || start != p.Start {
		return false
	}
	if state == "Z" || state == "X" {
		// The first thread has ended and nobody has asked how. Its files and
		// ports are open until the last one has.
		threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(p.PID), "task"))
		if err != nil || len(threads) <= 1 {
			return false
		}
	}
	boot, err := bootID()
	return err == nil && boot == p.Boot
}

// signal sends it to the process and its children.
func (p process) signal(s syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	err := syscall.Kill(-p.PID, s)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// stop kills the process and returns when it is gone. No part of a cluster has
// anything to put in order first: what is written is with the kernel.
func (p process) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return waitFor(ctx, pollEvery, func(context.Context) error { return p.gone() })
}

func (p process) gone() error {
	if p.alive() {
		return fmt.Errorf("%s (%d) still runs", p.Name, p.PID)
	}
	return nil
}

// procStat reads when a process started and its state from the kernel.
func procStat(pid int) (start uint64, state string, err error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The name is in parentheses and may hold anything, also parentheses.
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " ")
	fields := strings.Fields(rest)
	const startField = 22 - 3 // proc(5) counts from 1 and the state is third
	if len(fields) <= startField {
		return 0, "", fmt.Errorf("look at process %d: its stat is short", pid)
	}
	start, err = strconv.ParseUint(fields[startField], 10, 64)
	if err != nil {
		return 0, "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	return start, fields[0], nil
}

func bootID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("ask the kernel which boot this is: %w", err)
	}
	return strings.TrimSpace(string(id)), nil
}

// finalError ends a wait: what it says will not change.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// waitFor calls check until it returns nil or a finalError; when ctx ends
// first, the error is also check's last one.
func waitFor(ctx context.Context, every time.Duration, check func(context.Context) error) error {
	for {
		err := check(ctx)
		var final finalError
		if err == nil || errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-time.After(every):
		}
	}
}
