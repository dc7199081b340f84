package db

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"tiga/db/seal"
)

const (
	// auditBatch is how many rows are read at a time.
	auditBatch = 1000
	// maxFindings bounds a report: a key that is missing would otherwise fill it.
	maxFindings = 1000
)

// Checkpoint says which row was the last of a chain at an instant, signed. One that was kept outside
// the database reveals that rows were cut off after it was made.
type Checkpoint struct {
	Chain     int64
	Seq       int64
	Time      time.Time
	Hash      []byte
	KeyID     string
	Signature []byte
}

const checkpointForm = "tiga-checkpoint-1 chain=%d seq=%d time=%d hash=%s key=%s signature=%s"

// String is the one line that is logged, and that ParseCheckpoint reads.
func (c Checkpoint) String() string {
	return fmt.Sprintf(checkpointForm, c.Chain, c.Seq, Micros(c.Time), hex.EncodeToString(c.Hash), c.KeyID,
		base64.RawURLEncoding.EncodeToString(c.Signature))
}

// ParseCheckpoint reads what String wrote.
func ParseCheckpoint(line string) (Checkpoint, error) {
	var c Checkpoint
	var us int64
	var hash, signature string
	if _, err := fmt.Sscanf(line, checkpointForm, &c.Chain, &c.Seq, &us, &hash, &c.KeyID, &signature); err != nil {
		return Checkpoint{}, fmt.Errorf("read a checkpoint: %w", err)
	}
	c.Time = Time(us)
	var err1, err2 error
	c.Hash, err1 = hex.DecodeString(hash)
	c.Signature, err2 = base64.RawURLEncoding.DecodeString(signature)
	return c, wrap("read a checkpoint", errors.Join(err1, err2))
}

// signed is what the signature is over.
func (c Checkpoint) signed() []byte {
	b := []byte("tiga-checkpoint-1\n")
	b = integer(integer(integer(b, c.Chain), c.Seq), Micros(c.Time))
	return text(text(b, string(c.Hash)), c.KeyID)
}

// Checkpoint makes and stores a checkpoint of this process's chain, for the caller to write where the
// database cannot reach. made is false if nothing was added since the last one. It is called every
// minute and before Close.
func (a *Audit) Checkpoint(ctx context.Context) (c Checkpoint, made bool, err error) {
	if a.store.readOnly {
		return Checkpoint{}, false, ErrReadOnly
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return Checkpoint{}, false, fmt.Errorf("make a checkpoint: %w: %w", ErrBusy, ctx.Err())
	}
	if !a.known {
		if err := a.load(ctx); err != nil {
			return Checkpoint{}, false, fmt.Errorf("make a checkpoint: %w", err)
		}
	}
	if a.seq == a.checkpointed || a.seq == 0 {
		return Checkpoint{}, false, nil
	}
	c = Checkpoint{Chain: a.chain, Seq: a.seq, Time: Time(Micros(a.store.now())), Hash: a.hash, KeyID: a.key.id}
	c.Signature = ed25519.Sign(a.key.signer, c.signed())
	err = a.store.Write(ctx, func(q *Queries) error {
		return q.insertAuditCheckpoint(ctx, insertAuditCheckpointParams{
			Chain: c.Chain, Seq: c.Seq, TS: Micros(c.Time), Hash: c.Hash, KeyID: c.KeyID, Signature: c.Signature,
		})
	})
	// A conflict: an earlier run made one here. It says the same.
	if err != nil && !errors.Is(err, ErrConflict) {
		return Checkpoint{}, false, fmt.Errorf("make a checkpoint: %w", err)
	}
	a.checkpointed = a.seq
	return c, true, nil
}

// VerifyOptions says what is verified. The zero value is the whole record.
type VerifyOptions struct {
	// From starts each of its chains after a checkpoint instead of at the first row.
	From []Checkpoint
	// Anchors are checkpoints that were kept outside the database. Those inside are always used.
	Anchors []Checkpoint
}

// The kinds of a Finding.
const (
	FindingChanged    = "changed"    // the row is not what was signed
	FindingGap        = "gap"        // rows before this one are missing
	FindingOrder      = "order"      // the row does not continue the one before it
	FindingCheckpoint = "checkpoint" // the row is not the one of a checkpoint
	FindingTruncated  = "truncated"  // the chain ends before a checkpoint
	FindingForged     = "forged"     // a checkpoint does not bear our signature
	FindingKey        = "key"        // signed with a key that is not in the keyring
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind   string
	Chain  int64
	Seq    int64
	ID     string // of the row, if there is one
	Detail string
}

// String is the finding in words.
func (f Finding) String() string {
	return fmt.Sprintf("chain %d row %d %s: %s: %s", f.Chain, f.Seq, f.ID, f.Kind, f.Detail)
}

// Verification is the result of a Verify.
type Verification struct {
	Rows        int64
	Chains      int
	Checkpoints int
	Findings    []Finding // at most 1000
}

// OK tells whether nothing is wrong.
func (v Verification) OK() bool { return len(v.Findings) == 0 }

// Verify reads the record and looks for rows that were changed, removed, put elsewhere, or added by
// someone else. What was cut off at the end of a chain is found as far as a checkpoint is known.
func (a *Audit) Verify(ctx context.Context, o VerifyOptions) (Verification, error) {
	v := verifier{q: a.store.Read(), ring: a.store.keys, keys: map[string]*auditKey{}}
	points, err := v.checkpoints(ctx, o)
	if err != nil {
		return v.Verification, fmt.Errorf("verify the audit record: %w", err)
	}
	present, err := v.q.auditChains(ctx)
	if err != nil {
		return v.Verification, fmt.Errorf("verify the audit record: %w", err)
	}
	chains := map[int64]chainEnd{}
	for chain := range points {
		chains[chain] = chainEnd{hash: make([]byte, hashBytes)}
	}
	for _, c := range present {
		chains[c.Chain] = chainEnd{hash: make([]byte, hashBytes)}
	}
	for _, c := range o.From {
		if v.signedByUs(c) {
			chains[c.Chain] = chainEnd{seq: c.Seq, hash: c.Hash}
		}
	}
	v.Chains = len(chains)
	for chain, start := range chains {
		if err := v.chain(ctx, chain, start, points[chain]); err != nil {
			return v.Verification, fmt.Errorf("verify audit chain %d: %w", chain, err)
		}
	}
	slices.SortStableFunc(v.Findings, func(a, b Finding) int { return int(a.Chain - b.Chain) })
	return v.Verification, nil
}

type chainEnd struct {
	seq  int64
	hash []byte
}

type verifier struct {
	Verification
	q    *Queries
	ring *seal.Keyring
	keys map[string]*auditKey // nil: not in the ring
}

func (v *verifier) found(f Finding) {
	if len(v.Findings) < maxFindings {
		v.Findings = append(v.Findings, f)
	}
}

func (v *verifier) key(id string) *auditKey {
	if k, ok := v.keys[id]; ok {
		return k
	}
	v.keys[id] = nil
	if raw, err := hex.DecodeString(id); err == nil && len(raw) == len(seal.ID{}) {
		if key, ok := v.ring.Key(seal.ID(raw)); ok {
			k := newAuditKey(key)
			v.keys[id] = &k
		}
	}
	return v.keys[id]
}

// checkpoints collects those of the database and those given, by chain and in order.
func (v *verifier) checkpoints(ctx context.Context, o VerifyOptions) (map[int64][]Checkpoint, error) {
	stored, err := v.q.auditCheckpoints(ctx)
	if err != nil {
		return nil, err
	}
	all := slices.Clone(o.Anchors)
	for _, c := range stored {
		all = append(all, Checkpoint{Chain: c.Chain, Seq: c.Seq, Time: Time(c.TS), Hash: c.Hash, KeyID: c.KeyID, Signature: c.Signature})
	}
	by := map[int64][]Checkpoint{}
	for _, c := range all {
		if v.signedByUs(c) {
			by[c.Chain] = append(by[c.Chain], c)
			v.Checkpoints++
		}
	}
	for _, list := range by {
		slices.SortFunc(list, func(a, b Checkpoint) int { return int(a.Seq - b.Seq) })
	}
	return by, nil
}

func (v *verifier) signedByUs(c Checkpoint) bool {
	k := v.key(c.KeyID)
	if k == nil {
		v.found(Finding{Kind: FindingKey, Chain: c.Chain, Seq: c.Seq, Detail: "checkpoint signed with key " + c.KeyID + ", which is not among the key files"})
		return false
	}
	public := k.signer.Public().(ed25519.PublicKey) //nolint:forcetypeassert // it is no other
	if !ed25519.Verify(public, c.signed(), c.Signature) {
		v.found(Finding{Kind: FindingForged, Chain: c.Chain, Seq: c.Seq, Detail: "checkpoint without our signature"})
		return false
	}
	return true
}

// chain follows one chain from a row that is known. The next rows are read while these are checked.
func (v *verifier) chain(ctx context.Context, chain int64, last chainEnd, points []Checkpoint) error {
	reading, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan segment)
	go v.read(reading, chain, last.seq, batches)
	for batch := range batches {
		if batch.err != nil {
			return batch.err
		}
		for i := range batch.rows {
			e := &batch.rows[i]
			v.row(e, last)
			for ; len(points) > 0 && points[0].Seq <= e.Seq; points = points[1:] {
				if points[0].Seq == e.Seq && !bytes.Equal(points[0].Hash, e.Hash) {
					v.found(Finding{Kind: FindingCheckpoint, Chain: chain, Seq: e.Seq, ID: e.ID, Detail: "another row stood here at " + points[0].Time.Format(time.RFC3339)})
				}
			}
			last = chainEnd{e.Seq, e.Hash}
		}
		v.Rows += int64(len(batch.rows))
	}
	if err := ctx.Err(); err != nil { // what was read is not all there is
		return err
	}
	if n := len(points); n > 0 && points[n-1].Seq > last.seq {
		v.found(Finding{
			Kind: FindingTruncated, Chain: chain, Seq: last.seq,
			Detail: fmt.Sprintf("the chain ends here but reached row %d at %s", points[n-1].Seq, points[n-1].Time.Format(time.RFC3339)),
		})
	}
	return nil
}

// segment is some rows of a chain that follow each other, or why there are no more.
type segment struct {
	rows []AuditEvent
	err  error
}

// read sends the rows of a chain after seq, and closes the channel after the last, after an error,
// or when nobody listens any more.
func (v *verifier) read(ctx context.Context, chain, seq int64, to chan<- segment) {
	defer close(to)
	for {
		rows, err := v.q.auditSegment(ctx, chain, seq, auditBatch)
		select {
		case to <- segment{rows, err}:
		case <-ctx.Done():
			return
		}
		if err != nil || len(rows) < auditBatch {
			return
		}
		seq = rows[len(rows)-1].Seq
	}
}

// row checks one row against the one before it and against its own signature.
func (v *verifier) row(e *AuditEvent, last chainEnd) {
	f := Finding{Chain: e.Chain, Seq: e.Seq, ID: e.ID}
	if e.Seq != last.seq+1 {
		f.Kind, f.Detail = FindingGap, fmt.Sprintf("%d rows before it are missing", e.Seq-last.seq-1)
		v.found(f)
	} else if !bytes.Equal(e.PrevHash, last.hash) {
		f.Kind, f.Detail = FindingOrder, "it does not continue the row before it"
		v.found(f)
	}
	k := v.key(e.KeyID)
	switch {
	case k == nil:
		f.Kind, f.Detail = FindingKey, "signed with key "+e.KeyID+", which is not among the key files"
		v.found(f)
	case !bytes.Equal(k.sign(e), e.Hash):
		f.Kind, f.Detail = FindingChanged, "it is not what was signed"
		v.found(f)
	}
}
