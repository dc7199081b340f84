package handlers

import (
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"tiga/access"
	"tiga/db"
	"tiga/views"
	"tiga/views/ui"
)

// auditKeys are the filters of the page, which are the keys of its query string.
func auditKeys() []string {
	return []string{"q", "user", "cluster", "kind", "namespace", "name", "verb", "result", "since", "until"}
}

// showAudit is the record of what was done, newest first. FR-6.5
func (s *Server) showAudit(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbGet, "audit"); err != nil {
		return err
	}
	p, q := s.presenter(r), queryOf(r)
	get := r.URL.Query().Get
	filter := db.AuditFilter{
		Actor: get("user"), Cluster: get("cluster"), Resource: get("kind"), Namespace: get("namespace"), Name: get("name"),
		Verb: get("verb"), Result: get("result"), Text: get("q"), Cursor: get("before"),
	}
	var err error
	if filter.Since, err = moment(get("since")); err != nil {
		return badInput("bad_date", map[string]any{"Value": get("since")})
	}
	if filter.Until, err = moment(get("until")); err != nil {
		return badInput("bad_date", map[string]any{"Value": get("until")})
	}
	if len(get("until")) == len(time.DateOnly) {
		filter.Until = filter.Until.Add(24 * time.Hour) // the day itself counts
	}
	page, err := s.store.Audit().List(r.Context(), filter)
	if err != nil {
		return err
	}
	m := views.Audit{Action: "/audit", Clear: "/audit", Filters: s.auditFilters(p, get), Chain: s.auditChain(p)}
	for _, key := range auditKeys() {
		m.Active = m.Active || get(key) != ""
	}
	if page.Next != "" {
		m.Older = q.with("before", page.Next).at("/audit")
	}
	if filter.Cursor != "" {
		m.Newer = q.with("before").at("/audit")
	}
	open := get("open")
	for _, line := range page.Lines {
		e := s.auditEvent(p, line)
		e.Toggle = q.with("open", line.ID).at("/audit") + "#event-" + line.ID
		if line.ID == open {
			e.Toggle = q.with("open").at("/audit")
			e.Detail = auditDetail(p, line)
		}
		m.Events = append(m.Events, e)
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: p.loc.T("audit.title"), Shell: s.shell(r, place{item: itemAudit}), Body: views.AuditPage(m),
	})
}

// verification is what the last look at the whole chain found.
type verification struct {
	at       time.Time
	rows     int64
	findings int
}

// auditChain says what the last verification found, if there was one since the program started.
func (s *Server) auditChain(p presenter) views.AuditChain {
	chain := views.AuditChain{Verify: "/audit/verify", Status: ui.Status{Word: p.loc.T("audit.chain.unchecked"), Tone: ui.ToneIdle}}
	last := s.verified.Load()
	if last == nil {
		return chain
	}
	chain.Checked, chain.Events = last.at, int(last.rows)
	chain.Status = ui.Status{Word: p.loc.T("audit.chain.whole"), Reason: p.loc.T("audit.chain.rows", "Count", int(last.rows)), Tone: ui.ToneOK}
	if last.findings > 0 {
		chain.Status = ui.Status{Word: p.loc.T("audit.chain.broken"), Reason: p.loc.T("audit.chain.findings", "Count", last.findings), Tone: ui.ToneBad}
	}
	return chain
}

// verifyAudit looks at every row of the audit log and says whether one was changed, removed, reordered or added.
func (s *Server) verifyAudit(w http.ResponseWriter, r *http.Request) error {
	if err := s.admin(r, access.VerbGet, "audit"); err != nil {
		return err
	}
	found, err := s.store.Audit().Verify(r.Context(), db.VerifyOptions{})
	if err != nil {
		return err
	}
	s.verified.Store(&verification{at: s.now(), rows: found.Rows, findings: len(found.Findings)})
	return s.redirect(w, r, "/audit")
}

// moment reads an instant of a filter, as a browser's date and time field or as a date alone; empty is none.
func moment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse("2006-01-02T15:04", text); err == nil {
		return at, nil
	}
	return time.Parse(time.DateOnly, text)
}

func (s *Server) auditFilters(p presenter, get func(string) string) []ui.Field {
	text := func(name string) ui.Field {
		return ui.Field{Type: ui.FieldText, Name: name, ID: "audit-" + name, Label: p.loc.T("audit.filter." + name), Value: get(name)}
	}
	choice := func(name string, values ...string) ui.Field {
		f := ui.Field{Type: ui.FieldSelect, Name: name, ID: "audit-" + name, Label: p.loc.T("audit.filter." + name), Options: []ui.Option{{Text: p.loc.T("audit.any")}}}
		for _, v := range values {
			label := v
			if name == "result" {
				label = p.loc.T("audit.result." + v)
			}
			f.Options = append(f.Options, ui.Option{Value: v, Text: label, Chosen: get(name) == v})
		}
		return f
	}
	date := func(name string) ui.Field {
		return ui.Field{Type: ui.FieldDate, Name: name, ID: "audit-" + name, Label: p.loc.T("audit.filter." + name), Value: get(name)}
	}
	var clusters []string
	for _, look := range s.looks.all() {
		clusters = append(clusters, look.Name)
	}
	return []ui.Field{
		text("q"), text("user"), choice("cluster", clusters...), text("kind"), text("namespace"), text("name"),
		choice("verb", "create", "update", "delete", "scale", "restart", "admin"),
		choice("result", db.ResultOK, db.ResultFailed, db.ResultDenied, db.ResultUnknown, db.ResultOpen),
		date("since"), date("until"),
	}
}

func (s *Server) auditEvent(p presenter, line db.AuditLine) views.AuditEvent {
	kind := line.Resource
	if line.APIGroup != "" && line.APIGroup != access.TigaGroup {
		kind += "." + line.APIGroup
	}
	look := s.looks.of(line.ClusterID)
	return views.AuditEvent{
		ID: line.ID, Time: db.Time(line.TS), User: line.ActorName, Method: p.loc.T("account.method." + line.AuthMethod), Address: line.ClientIP,
		Cluster: line.ClusterName, Environment: environment(look.Environment, look.Colour), Kind: kind, Namespace: line.Namespace,
		Name: line.Name, Verb: line.Verb, Result: auditResult(p, line),
	}
}

func auditResult(p presenter, line db.AuditLine) ui.Status {
	st := ui.Status{Word: p.loc.T("audit.result." + line.Result)}
	if line.Reason != "" {
		st.Reason = line.Reason
	}
	switch line.Result {
	case db.ResultOK:
		st.Tone = ui.ToneOK
	case db.ResultFailed:
		st.Tone = ui.ToneBad
	case db.ResultDenied, db.ResultUnknown:
		st.Tone = ui.ToneWarn
	default:
		st.Tone = ui.ToneInfo
	}
	return st
}

func auditDetail(p presenter, line db.AuditLine) *views.AuditDetail {
	d := &views.AuditDetail{}
	fact := func(id string, c ui.Cell) {
		if c.Text != "" || c.Num != 0 {
			d.Facts = append(d.Facts, ui.Fact{Label: p.loc.T("audit.fact." + id), Cells: []ui.Cell{c}})
		}
	}
	fact("time", ui.Cell{Form: ui.FormTime, Num: float64(db.Time(line.TS).Unix())})
	fact("message", ui.Cell{Text: line.Message})
	fact("duration", ui.Cell{Text: (time.Duration(line.DurationUS) * time.Microsecond).Round(time.Millisecond / 10).String()})
	fact("request", ui.Cell{Text: line.RequestID, Form: ui.FormName})
	fact("uid", ui.Cell{Text: line.ObjectUID, Form: ui.FormName})
	fact("agent", ui.Cell{Text: line.UserAgent})
	fact("peer", ui.Cell{Text: line.PeerIP, Form: ui.FormName})
	fact("session", ui.Cell{Text: line.SessionRef, Form: ui.FormName})
	fact("hash", ui.Cell{Text: shortHash(line.Hash), Form: ui.FormName})
	if line.Diff == "" {
		d.DiffNote = p.loc.T("audit.no_diff")
		return d
	}
	for text := range strings.SplitSeq(strings.TrimRight(line.Diff, "\n"), "\n") {
		sign := ' '
		if text != "" && strings.ContainsRune("+-@", rune(text[0])) {
			sign = rune(text[0])
			text = text[1:]
		}
		d.Diff = append(d.Diff, views.DiffLine{Sign: sign, Text: text})
	}
	return d
}

// shortHash is the beginning of a row's place in the chain, enough to compare by eye.
func shortHash(hash []byte) string { return hex.EncodeToString(hash[:min(8, len(hash))]) }
