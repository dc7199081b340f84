package handlers

import (
	"fmt"
	"net/http"

	"tiga/access"
	"tiga/kube"
	"tiga/views"
)

// showYAML is the manifest of one object.
func (s *Server) showYAML(w http.ResponseWriter, r *http.Request, o *object) error {
	managed := r.URL.Query().Get("managed") == "1"
	text, err := o.whole.YAML(kube.YAMLOptions{ManagedFields: managed})
	if err != nil {
		return fmt.Errorf("write %s as YAML: %w", o.target, err)
	}
	if r.URL.Query().Get("download") == "1" {
		h := w.Header()
		h.Set("Content-Type", "application/yaml; charset=utf-8")
		h.Set("Content-Disposition", attachment(o.name+".yaml"))
		h.Set("Cache-Control", "no-store")
		_, err := w.Write(text)
		return err
	}
	path, q := o.path(r)+"/"+tabYAML, query{}
	if managed {
		q = q.with("managed", "1")
	}
	m := views.Manifest{
		Object: s.objectHead(r, o, tabYAML), Text: string(text), Download: q.with("download", "1").at(path), Redacted: o.whole.Redacted(),
	}
	if o.whole.ManagedFields() {
		m.Managed, m.ManagedHref = managed, query{"managed": {"1"}}.at(path)
		if managed {
			m.ManagedHref = path
		}
	}
	page := s.objectPage(r, o, tabYAML)
	page.Body = views.ManifestPage(m)
	return s.show(w, r, http.StatusOK, page)
}

// showDescription is what kubectl describe says of one object, as far as the subject may see it. What goes wrong there is
// a matter of this tab, not of the page. FR-3.5
func (s *Server) showDescription(w http.ResponseWriter, r *http.Request, o *object) error {
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	permit, err := s.permit(r, access.VerbGet, k, o.namespace, o.name)
	if err != nil {
		return err
	}
	m := views.Description{Object: s.objectHead(r, o, tabDescribe)}
	page, status := s.objectPage(r, o, tabDescribe), http.StatusOK
	d, err := c.Describe(r.Context(), permit, k, o.namespace, o.name, func(req access.Request) (access.Permit, error) {
		return s.authority.Check(subjectOf(r), req)
	})
	if err != nil {
		if r.Context().Err() != nil {
			return err
		}
		e := problem(err)
		s.logProblem(r, e)
		m.Problem, status = s.problemPart(r, e), e.Status
	}
	m.Text = d.Text
	for _, req := range d.Refused {
		m.Missing = append(m.Missing, p.loc.T("detail.missing", deniedArgs(&access.Error{Request: req})))
	}
	if d.Limited {
		m.Missing = append(m.Missing, p.loc.T("detail.limited"))
	}
	page.Body = views.DescriptionPage(m)
	return s.show(w, r, status, page)
}
