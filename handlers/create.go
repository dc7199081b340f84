package handlers

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"tiga/access"
	"tiga/kube"
	"tiga/kube/kinds"
	"tiga/kube/manifest"
	"tiga/kube/template"
	"tiga/views"
)

// newObject is the editor of a new object: a template, an example made of the kind's schema, or a copy.
func (s *Server) newObject(w http.ResponseWriter, r *http.Request) error {
	k := kindOf(r)
	if err := s.mayCreate(r, k); err != nil {
		return err
	}
	d := &draft{create: true}
	text, err := s.beginning(r, k)
	if err != nil {
		return err
	}
	d.text = text
	m := s.editor(r, d)
	return s.showEditor(w, r, http.StatusOK, d, m)
}

// mayCreate says whether somebody may create objects of a kind anywhere; which, and where, is decided by what they write.
func (s *Server) mayCreate(r *http.Request, k *kinds.Kind) error {
	if k.Fixed {
		return errNoRoute
	}
	q := request(clusterOf(r).Name(), access.VerbCreate, k, "", "")
	if s.authority.Somewhere(subjectOf(r), q) {
		return nil
	}
	_, err := s.authority.Check(subjectOf(r), q)
	return err
}

// beginning is the text that a new object begins with.
func (s *Server) beginning(r *http.Request, k *kinds.Kind) (string, error) {
	if again := r.URL.Query().Get("again"); again != "" {
		return s.again(r, again)
	}
	if from := r.URL.Query().Get("from"); from != "" {
		ns, name, ok := strings.Cut(from, "/")
		if !ok || !isSegment(ns) || !isSegment(name) {
			return "", errNoRoute
		}
		live, err := s.readDraft(r, target{ns, name})
		if err != nil {
			return "", err
		}
		text, err := manifest.Print(live.Copy())
		return string(text), err
	}
	namespace := ""
	if k.Namespaced {
		namespace = s.likelyNamespace(r, k)
	}
	if text, ok := template.Of(k.ID(), k.GVR.GroupVersion().String(), k.Name, namespace); ok {
		return text, nil
	}
	fields, err := s.schemaOf(r)
	if err != nil {
		// Without a schema there is still what every object has.
		if e := (*kube.Error)(nil); !errors.As(err, &e) {
			return "", err
		}
		tree := map[string]any{"apiVersion": k.GVR.GroupVersion().String(), "kind": k.Name, "metadata": map[string]any{"name": "example"}, "spec": map[string]any{}}
		if namespace != "" {
			tree["metadata"] = map[string]any{"name": "example", "namespace": namespace}
		}
		text, err := manifest.Print(tree)
		return string(text), err
	}
	return fields.Example(namespace), nil
}

// likelyNamespace is where a new object probably belongs: the namespace that the list was about, else one in which
// the person may create.
func (s *Server) likelyNamespace(r *http.Request, k *kinds.Kind) string {
	c := clusterOf(r)
	var seen []string
	for _, ns := range r.URL.Query()["ns"] {
		if !isAll(ns) && isSegment(ns) {
			seen = append(seen, ns)
		}
	}
	permit, err := s.authority.Check(subjectOf(r), request(c.Name(), access.VerbList, k, "", ""))
	if err == nil {
		if all, names := permit.Namespaces(); !all {
			seen = append(seen, names...)
		}
	}
	for _, ns := range append(seen, "default") {
		if !strings.ContainsAny(ns, "*?") && s.may(r, request(c.Name(), access.VerbCreate, k, ns, "")) {
			return ns
		}
	}
	return "default"
}

// createObject checks, compares or creates what was typed.
func (s *Server) createObject(w http.ResponseWriter, r *http.Request) error {
	d, err := parseDraft(r)
	if err != nil {
		return err
	}
	k := kindOf(r)
	if err := s.mayCreate(r, k); err != nil {
		return s.refused(r, err)
	}
	d.create, d.base, d.uid, d.rv = true, nil, "", ""
	m := s.editor(r, d)
	if d.doc, err = s.manifests.Read([]byte(d.text)); err != nil {
		return s.showRefused(w, r, d, m, err)
	}
	meta, _ := d.doc.Tree["metadata"].(map[string]any)
	if k.Namespaced {
		d.namespace, _ = meta["namespace"].(string)
		if d.namespace == "" {
			d.namespace = s.likelyNamespace(r, k)
		}
	}
	if causes := kube.Identity(k, d.namespace, "", d.doc.Tree); len(causes) > 0 || !isSegment(d.namespace) || !isSegment(nameIn(d.doc.Tree)) {
		m.Errors = s.presenter(r).editErrors(d.doc, &kube.Error{Causes: causes})
		m.Notice = s.editProblem(r, &ProblemError{Status: http.StatusUnprocessableEntity, ID: "refused", Words: kinds.Message{ID: "cluster.fields"}})
		return s.showEditor(w, r, http.StatusUnprocessableEntity, d, m)
	}
	permit, err := s.permit(r, access.VerbCreate, k, d.namespace, nameIn(d.doc.Tree))
	if err != nil {
		return s.refusedText(w, r, d, m, err)
	}
	return s.finish(w, r, d, m, permit)
}

// refusedText is a refusal that depends on what was typed, so that the text comes back with it.
func (s *Server) refusedText(w http.ResponseWriter, r *http.Request, d *draft, m *views.Editor, err error) error {
	denied := (*access.Error)(nil)
	if err := s.refused(r, err); !errors.As(err, &denied) || errors.Is(err, access.ErrReadOnly) {
		return err
	}
	pr := problem(err)
	s.logProblem(r, pr)
	m.Notice = s.editProblem(r, pr)
	return s.showEditor(w, r, pr.Status, d, m)
}

// createLink is the address of a new object of a kind; "" for those who may not create any.
func (s *Server) createLink(r *http.Request, k *kinds.Kind, namespaces []string) string {
	if s.mayCreate(r, k) != nil {
		return ""
	}
	to := kindPath(clusterOf(r).ID(), k) + "/new"
	if len(namespaces) == 1 && k.Namespaced {
		to = query{"ns": slices.Clone(namespaces)}.at(to)
	}
	return to
}
