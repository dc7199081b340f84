package handlers

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/kube"
	"tiga/kube/diff"
	"tiga/kube/history"
	"tiga/kube/live"
)

// The modes of the history.
const (
	HistoryOff   = "off"   // nothing is recorded
	HistoryOwn   = "tiga"  // what is done through Tiga
	HistoryWatch = "watch" // that, and what is seen to change in the clusters
)

const (
	// historyKind is the kind under which streams ask for the changes of a cluster, see live.Kind.
	historyKind = "history"
	// trimEvery is after how many new rows of a cluster, as a share of what is kept, those beyond are deleted.
	trimEvery = 20
)

// HistoryConfig says what is recorded of changes, and how long.
type HistoryConfig struct {
	Mode   string
	Limits db.ChangeLimits
	Store  *db.Store
	Hub    *live.Hub
	Log    *slog.Logger
	Now    func() time.Time
}

// History keeps what changed in the clusters. A nil one keeps nothing.
type History struct {
	cfg HistoryConfig

	mu    sync.Mutex
	added map[int64]int // rows of each cluster since it was trimmed
}

// NewHistory makes a History; nil where nothing is to be recorded.
func NewHistory(c HistoryConfig) *History {
	if c.Mode != HistoryOwn && c.Mode != HistoryWatch {
		return nil
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &History{cfg: c, added: map[int64]int{}}
}

// Seen returns the function that keeps what was seen to change in a cluster; nil where that is not recorded.
func (h *History) Seen() func(int64, []history.Change) error {
	if h == nil || h.cfg.Mode != HistoryWatch {
		return nil
	}
	return func(cluster int64, changes []history.Change) error {
		rows := make([]db.NewChange, 0, len(changes))
		for i := range changes {
			row, err := seenChange(cluster, &changes[i])
			if err != nil {
				h.cfg.Log.Error("change not kept", "error", err)
				continue
			}
			rows = append(rows, row)
		}
		ctx, cancel := context.WithTimeout(context.Background(), storeBudget)
		defer cancel()
		return h.keep(ctx, cluster, rows...)
	}
}

// seenChange is a row of a change that a watch saw.
func seenChange(cluster int64, c *history.Change) (db.NewChange, error) {
	row := db.NewChange{
		ClusterID: cluster, At: db.Micros(c.At), Began: db.Micros(c.After), Resource: c.Kind.ID(), Namespace: c.Namespace, Name: c.Name, UID: c.UID,
		Version: c.Version, Verb: string(c.Verb), Manager: c.Manager, Fidelity: db.FidelitySeen, Join: history.Join,
	}
	if c.Manager == kube.FieldManager { // whoever did it is about to say so of each
		row.Join = nil
	}
	if c.Verb == history.Missed {
		row.Fields = int64(c.Count)
		return row, nil
	}
	return row, packEntries(&row, c.Entries)
}

// packEntries puts the fields of a change into its row.
func packEntries(row *db.NewChange, entries []diff.Entry) error {
	row.Fields = int64(len(entries))
	if len(entries) == 1 && len(entries[0].Path) <= maxField {
		row.Field = entries[0].Path
	}
	packed, cut, err := history.Pack(entries)
	if err != nil {
		return err
	}
	if row.Entries = packed; cut {
		row.Fidelity = db.FidelityWords // any other account says more
	}
	return nil
}

// maxField bounds the path that is kept beside the packed entries.
const maxField = 512

// keep writes rows in one transaction, and tells open pages.
func (h *History) keep(ctx context.Context, cluster int64, rows ...db.NewChange) error {
	if len(rows) == 0 {
		return nil
	}
	err := h.cfg.Store.Write(ctx, func(q *db.Queries) error {
		for _, row := range rows {
			if err := q.AddChange(ctx, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.cfg.Hub.Publish(live.Kind(cluster, historyKind))
	h.mu.Lock()
	h.added[cluster] += len(rows)
	full := h.added[cluster] >= max(h.cfg.Limits.Rows/trimEvery, 1)
	if full {
		h.added[cluster] = 0
	}
	h.mu.Unlock()
	if full {
		if err := h.cfg.Store.TrimChanges(ctx, h.cfg.Limits, cluster); err != nil {
			h.cfg.Log.WarnContext(ctx, "changes not trimmed", "error", err) // the next turn may succeed
		}
	}
	return nil
}

// prune deletes what is too old or too much.
func (h *History) prune(ctx context.Context, now time.Time) error {
	if h == nil {
		return nil
	}
	return h.cfg.Store.PruneChanges(ctx, h.cfg.Limits, now)
}

// did keeps a change that was made through Tiga, which the audit record has in row. It has happened, so that one which
// cannot be kept is only told.
func (h *History) did(ctx context.Context, row db.AuditEvent, reverts int64, c kube.Change) {
	if h == nil {
		return
	}
	own, ok := ownChange(&row, c)
	if !ok {
		return
	}
	own.At, own.Reverts = h.cfg.Now().UnixMicro(), reverts
	err := packEntries(&own, c.Entries)
	if err == nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeBudget)
		defer cancel()
		err = h.keep(ctx, own.ClusterID, own)
	}
	if err != nil {
		h.cfg.Log.ErrorContext(ctx, "change not kept", "error", err)
	}
}

// ownChange is a row of a change that was made through Tiga; ok is false where nothing was changed.
func ownChange(e *db.AuditEvent, c kube.Change) (row db.NewChange, ok bool) {
	row = db.NewChange{
		ClusterID: e.ClusterID, Resource: e.Resource, Namespace: cmp.Or(c.Namespace, e.Namespace), Name: cmp.Or(c.Name, e.Name),
		UID: cmp.Or(c.UID, e.ObjectUID), Version: c.ResourceVersion, Verb: db.ChangeUpdate, ActorID: e.ActorID, Actor: e.ActorName, AuditID: e.ID,
		Fidelity: db.FidelityWords, Manager: kube.FieldManager,
	}
	if e.APIGroup != "" {
		row.Resource += "." + e.APIGroup
	}
	if c.Whole {
		row.Fidelity = db.FidelityAnswer
	}
	switch verb := access.Verb(e.Verb); {
	case len(c.Entries) == 0:
		return row, false // it was so already
	case verb == access.VerbDelete, verb == access.VerbEvict:
		row.Verb, row.Manager = db.ChangeDelete, ""
	case verb == access.VerbCreate, c.Whole && made(c.Entries):
		row.Verb = db.ChangeCreate
	default:
	}
	return row, row.Name != "" && row.UID != "" && row.Version != ""
}

// made says whether the fields are those of an object that was not there before.
func made(entries []diff.Entry) bool {
	return slices.ContainsFunc(entries, func(e diff.Entry) bool { return e.Path == "kind" && e.Op == diff.Added })
}
