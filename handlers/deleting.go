package handlers

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/views/ui"
)

// maxGrace is the longest time to end that a form takes: a day.
const maxGrace = 86_400

// deletion reads how something is to be deleted; problem is the id of what is wrong, and the field it is wrong with.
func deletion(form url.Values) (o kube.DeleteOptions, field, problem string) {
	o.Propagation = kube.Propagation(form.Get("propagation"))
	switch o.Propagation {
	case kube.PropagateDefault, kube.PropagateBackground, kube.PropagateForeground, kube.PropagateOrphan:
	default:
		return o, "propagation", "delete.propagation"
	}
	if raw := strings.TrimSpace(form.Get("grace")); raw != "" {
		n, err := strconv.ParseInt(raw, 10, 64)
		if err != nil || n < 0 || n > maxGrace {
			return o, "grace", "delete.grace_wrong"
		}
		o.Grace = &n
	}
	if form.Get("force") != "" {
		now := int64(0)
		o.Grace = &now
	}
	return o, "", ""
}

// deletionFields are the controls of a deletion. Only pods take time to end.
func (p presenter) deletionFields(k *kinds.Kind, form url.Values) []ui.Field {
	chosen := form.Get("propagation")
	f := []ui.Field{{Type: ui.FieldSelect, Name: "propagation", Label: p.loc.T("delete.propagation")}}
	for _, o := range []struct {
		value kube.Propagation
		words string
	}{
		{kube.PropagateDefault, "default"},
		{kube.PropagateBackground, "background"},
		{kube.PropagateForeground, "foreground"},
		{kube.PropagateOrphan, "orphan"},
	} {
		f[0].Options = append(f[0].Options, ui.Option{Value: string(o.value), Text: p.loc.T("delete." + o.words), Chosen: chosen == string(o.value)})
	}
	if k.ID() != kindPods {
		return f
	}
	return append(f,
		ui.Field{Type: ui.FieldNumber, Name: "grace", Label: p.loc.T("delete.grace"), Help: p.loc.T("delete.grace_help"), Value: form.Get("grace"), Min: "0", Max: strconv.Itoa(maxGrace)},
		ui.Field{Type: ui.FieldCheck, Name: "force", Label: p.loc.T("delete.force"), Help: p.loc.T("delete.force_help"), Checked: form.Get("force") != ""},
	)
}

// deletionNotes is what keeps an object from going at once.
func (s *Server) deletionNotes(r *http.Request, t target, row kinds.Row) string {
	p, k, c := s.presenter(r), kindOf(r), clusterOf(r)
	var notes []string
	if row.Deleted != 0 {
		notes = append(notes, p.loc.T("delete.terminating", "Age", p.loc.Age(max(0, p.now.Sub(unix(row.Deleted))))))
	}
	permit, err := s.permit(r, access.VerbGet, k, t.namespace, t.name)
	if err != nil {
		return strings.Join(notes, " ")
	}
	ctx, cancel := context.WithTimeout(r.Context(), getBudget)
	defer cancel()
	if o, err := c.Get(ctx, permit, k, t.namespace, t.name); err == nil {
		if names := o.Finalizers(); len(names) > 0 {
			notes = append(notes, p.loc.T("delete.finalizers", "Names", strings.Join(names, ", ")))
		}
	}
	return strings.Join(notes, " ")
}

// askDelete says what keeps the object from going at once.
func askDelete(s *Server, r *http.Request, q *question) error {
	if notes := s.deletionNotes(r, q.target, q.row); notes != "" {
		q.Explanation += " " + notes
	}
	return nil
}

// readDelete reads how something is to be deleted.
func readDelete(f url.Values, in *actionInput) *inputError {
	o, field, problem := deletion(f)
	if problem != "" {
		return &inputError{field: field, id: problem, value: f.Get(field), max: maxGrace}
	}
	in.deletion = o
	return nil
}
