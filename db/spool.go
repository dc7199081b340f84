package db

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	// spoolLimit bounds a spool file; some 100,000 rows.
	spoolLimit = 64 << 20
	// spoolRetry is the pause between two attempts to bring the spool into a database that is away.
	spoolRetry = time.Second
	// maxSpools bounds how many processes share a directory.
	maxSpools = 64
)

// spool keeps audit rows in a file while the database is away: a row is on disk when append returns.
// The rows are a chain of their own, signed like those of the database, so that a line that was
// changed or taken out is seen when they are brought in.
//
// Each process has a file of its own; one that a process left behind is brought in by the next that
// starts in the same directory. Files are emptied, never removed: removing one while another process
// waits for its lock would leave that process with a file that nobody finds.
type spool struct {
	dir  string
	most int64
	sign auditKey // guarded by mu, like all that follows

	mu   sync.Mutex
	file *os.File // locked; nil until the first row
	size int64    // what is on disk and acknowledged
	rows int64    // of that, not brought in yet
	done int64    // up to where the file has been brought in
	last chainEnd // of what was written
	read chainEnd // of what was brought in
}

func newSpool(dir string, most int64, key auditKey) *spool {
	if most == 0 {
		most = spoolLimit
	}
	s := &spool{dir: dir, most: most, sign: key}
	s.reset()
	return s
}

func (s *spool) reset() {
	s.size, s.rows, s.done = 0, 0, 0
	s.last, s.read = chainEnd{hash: make([]byte, hashBytes)}, chainEnd{hash: make([]byte, hashBytes)}
}

// waiting is how many rows wait for the database.
func (s *spool) waiting() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows
}

// spoolFile is the path of the n-th file of a directory.
func spoolFile(dir string, n int) string {
	return filepath.Join(dir, "audit-"+strconv.Itoa(n)+".spool")
}

// lockSpool opens a file that no other process has open; nil if one has.
func lockSpool(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600) //nolint:gosec // in the operator's data directory
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(f.Close(), ignoreHeld(err))
	}
	return f, nil
}

func ignoreHeld(err error) error {
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil
	}
	return err
}

// open takes the first file that is free; mu is held.
func (s *spool) open() error {
	if s.file != nil {
		return nil
	}
	for n := 1; n <= maxSpools; n++ {
		f, err := lockSpool(spoolFile(s.dir, n), os.O_CREATE)
		if err != nil {
			return err
		}
		if f == nil {
			continue
		}
		if err := s.adopt(f); err != nil {
			return errors.Join(err, f.Close())
		}
		return syncDirectory(s.dir)
	}
	return fmt.Errorf("%d other processes have a spool in %s", maxSpools, s.dir)
}

// adopt goes on in a file, after the rows that are in it. Half a line at its end was never
// acknowledged and is cut off.
func (s *spool) adopt(f *os.File) error {
	s.reset()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		var row AuditEvent
		if json.Unmarshal(line, &row) == nil {
			s.last = chainEnd{row.Seq, row.Hash}
		}
		s.size += int64(len(line))
		s.rows++
	}
	s.file = f
	return f.Truncate(s.size)
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator's data directory
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// append writes a row down. When it returns without an error the row is on disk.
func (s *spool) append(row *AuditEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.open(); err != nil {
		return fmt.Errorf("open the audit spool: %w", err)
	}
	row.Chain, row.Seq, row.PrevHash, row.KeyID = 0, s.last.seq+1, s.last.hash, s.sign.id
	row.Hash = s.sign.sign(row)
	line, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("spool an audit row: %w", err)
	}
	line = append(line, '\n')
	if s.size+int64(len(line)) > s.most {
		return fmt.Errorf("spool an audit row: %w: %d bytes wait for the database", ErrFull, s.size)
	}
	_, err = s.file.WriteAt(line, s.size)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		// What is there of the line is no row: nobody was told that it is on disk.
		return errors.Join(fmt.Errorf("spool an audit row: %w", err), s.file.Truncate(s.size))
	}
	s.size += int64(len(line))
	s.rows++
	s.last = chainEnd{row.Seq, row.Hash}
	return nil
}

// next is the first row that was not brought in, and the function that says that it has been. ok is
// false when there is none. A line that is not what was written is told by an error of its own in
// place of the row.
func (s *spool) next(ring *verifier) (row AuditEvent, damage error, done func() error, ok bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rows == 0 {
		return row, nil, nil, false, nil
	}
	line, err := bufio.NewReaderSize(io.NewSectionReader(s.file, s.done, s.size-s.done), 64<<10).ReadBytes('\n')
	if err != nil {
		return row, nil, nil, false, fmt.Errorf("read the audit spool: %w", err)
	}
	damage = s.check(&row, line, ring)
	end := s.done + int64(len(line))
	return row, damage, func() error { return s.finish(end, row) }, true, nil
}

// check reads a line and says whether it is the row that was written after the one before.
func (s *spool) check(row *AuditEvent, line []byte, ring *verifier) error {
	if err := json.Unmarshal(line, row); err != nil {
		return errors.New("a line cannot be read")
	}
	key := ring.key(row.KeyID)
	switch {
	case key == nil:
		return fmt.Errorf("a row is signed with key %s, which is not among the key files", row.KeyID)
	case !bytes.Equal(key.sign(row), row.Hash):
		return errors.New("a row is not what was signed")
	case row.Seq != s.read.seq+1 || !bytes.Equal(row.PrevHash, s.read.hash):
		return errors.New("rows are missing")
	}
	return nil
}

// finish notes that the file has been brought in up to end, and empties it after the last row.
func (s *spool) finish(end int64, row AuditEvent) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done, s.read = end, chainEnd{row.Seq, row.Hash}
	s.rows--
	if s.done < s.size {
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("empty the audit spool: %w", err)
	}
	s.reset()
	return wrap("empty the audit spool", s.file.Sync())
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close() // and with it goes the lock
	s.file = nil
	return err
}

// keep commits a row that tells of something that has happened. While the database is away the row
// waits in the spool, behind those that wait there already. It returns an error only if the row is
// nowhere.
func (a *Audit) keep(ctx context.Context, row *AuditEvent) error {
	ctx = context.WithoutCancel(ctx) // it has happened, also if nobody waits for the answer any more
	var away error
	if a.spool == nil || a.spool.waiting() == 0 {
		away = a.add(ctx, row)
		if away == nil || a.spool == nil || errors.Is(away, ErrConflict) || errors.Is(away, ErrReadOnly) {
			return away
		}
	}
	if err := a.name(row); err != nil {
		return errors.Join(away, err)
	}
	if err := a.spool.append(row); err != nil {
		return errors.Join(err, away)
	}
	a.store.log.WarnContext(ctx, "audit: the database is away, a row waits in the spool", "id", row.ID, "error", away)
	a.wake()
	return nil
}

func (a *Audit) wake() {
	select {
	case a.woken <- struct{}{}:
	default: // it is awake
	}
}

// bring moves the rows of a spool into the chain, in their order, until there are none.
func (a *Audit) bring(ctx context.Context, s *spool) error {
	ring := &verifier{ring: a.store.keys, keys: map[string]*auditKey{}}
	for n := 0; ; n++ {
		row, damage, done, ok, err := s.next(ring)
		if err != nil {
			return err
		}
		if !ok {
			if n > 0 {
				a.store.log.InfoContext(ctx, "audit: the rows of the spool are in the database", "count", n)
			}
			return nil
		}
		if damage != nil {
			a.store.log.ErrorContext(ctx, "audit: the spool is damaged", "error", damage)
			note := Event{Actor: "system", Resource: "audit", Verb: "recover", Result: ResultFailed, Reason: "spool", Message: "the spool is damaged: " + damage.Error()}
			damaged := note.row()
			damaged.Phase = PhaseEvent
			err = a.add(ctx, &damaged)
		}
		// A row that nobody signed is not made one of ours by signing it now.
		if err == nil && !forged(damage, ring, &row) {
			err = a.again(ctx, &row)
		}
		if err == nil {
			err = done()
		}
		if err != nil {
			return err
		}
	}
}

// forged says whether a damaged line holds no row of ours.
func forged(damage error, ring *verifier, row *AuditEvent) bool {
	if damage == nil {
		return false
	}
	key := ring.key(row.KeyID)
	return key == nil || !bytes.Equal(key.sign(row), row.Hash)
}

// again adds a row that may have been added before: the process may have ended between that and
// the emptying of the file, or the database may have gone away before it said so.
func (a *Audit) again(ctx context.Context, row *AuditEvent) error {
	err := a.add(ctx, row)
	if !errors.Is(err, ErrConflict) {
		return err
	}
	q := New(queued{a.store.writer})
	if _, found := q.auditEvent(ctx, row.ID); found == nil {
		return nil
	}
	if row.Phase == PhaseOutcome { // another process has settled it as unknown
		if _, found := q.auditOutcomeOf(ctx, row.ParentID); found == nil {
			return nil
		}
	}
	return err
}

// recoverSpools brings in what earlier processes left in the directory.
func (a *Audit) recoverSpools(ctx context.Context) error {
	for n := 1; n <= maxSpools; n++ {
		f, err := lockSpool(spoolFile(a.spool.dir, n), 0)
		if errors.Is(err, fs.ErrNotExist) { // the first that is free is taken, so there are no more
			return nil
		}
		if err != nil {
			return fmt.Errorf("open the audit spool: %w", err)
		}
		if f == nil { // a living process has it
			continue
		}
		left := newSpool(a.spool.dir, a.spool.most, newAuditKey(a.store.keys.Primary()))
		if err := left.adopt(f); err != nil {
			return errors.Join(fmt.Errorf("read the audit spool: %w", err), f.Close())
		}
		if err := errors.Join(a.bring(ctx, left), left.close()); err != nil {
			return err
		}
	}
	return nil
}

// drain brings the spool in whenever there is something in it, until ctx ends.
func (a *Audit) drain(ctx context.Context) {
	var retry <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.woken:
		case <-retry:
		}
		retry = nil
		if err := a.bring(ctx, a.spool); err != nil && ctx.Err() == nil {
			a.store.log.WarnContext(ctx, "audit: the spool waits for the database", "rows", a.spool.waiting(), "error", err)
			retry = time.After(spoolRetry)
		}
	}
}
