package handlers

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"tiga/db"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

func viewID(id int64) string { return "view-" + strconv.FormatInt(id, 10) }

// viewPath is the address of a view in a cluster, whose list of the kind is at path.
func viewPath(path string, v *db.SavedView) string {
	if v.Query == "" {
		return path
	}
	return path + "?" + v.Query
}

// savedViews is the sheet with the views of a kind, and with the form that keeps the list as it is shown now.
func savedViews(k *kinds.Kind, in listInput, shown []tableColumn, path string, own *own) *views.SavedViews {
	here := in.query.list()
	out := &views.SavedViews{
		Post: path + "/views", Query: here.with("cols", columnIDs(shown)...).encode(), Here: here.at(path), Full: len(own.views) >= db.MaxViews,
	}
	for i := range own.views {
		v := &own.views[i]
		if v.Kind == k.ID() {
			out.Views = append(out.Views, views.SavedView{
				ID: v.ID, Name: v.Name, Href: viewPath(path, v), Post: "/views/" + strconv.FormatInt(v.ID, 10), Pinned: v.Pinned, Current: v.Query == here.encode(),
			})
		}
	}
	return out
}

// saveView keeps a list under a name: its filter, facets, order, columns and namespaces.
func (s *Server) saveView(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	k := kindOf(r)
	view := db.NewView{
		UserID: subjectOf(r).UserID, Kind: k.ID(), Name: viewName(r), Query: formQuery(r.PostForm.Get("query")).encode(),
		Pinned: r.PostForm.Get("pinned") != "", Now: s.now().UnixMicro(),
	}
	if view.Name == "" || len(view.Name) > db.MaxViewName || len(view.Query) > db.MaxViewQuery {
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "view_name"}
	}
	var saved db.SavedView
	err := s.store.Write(r.Context(), func(q *db.Queries) (err error) {
		saved, err = q.CreateView(r.Context(), view)
		return err
	})
	if err != nil {
		return viewProblem(err, view.Name)
	}
	s.leaveFlash(r, views.Notice{Tone: ui.ToneOK, Title: s.presenter(r).loc.T("list.views.saved"), Detail: view.Name})
	return s.redirect(w, r, viewPath(kindPath(clusterOf(r).ID(), k), &saved))
}

// changeView renames a view, and puts it into the menu or takes it out.
func (s *Server) changeView(w http.ResponseWriter, r *http.Request) error {
	return s.editView(w, r, "list.views.changed", func(q *db.Queries, id int64) error {
		return q.UpdateView(r.Context(), id, subjectOf(r).UserID, viewName(r), r.PostForm.Get("pinned") != "", s.now().UnixMicro())
	})
}

// deleteView forgets a view.
func (s *Server) deleteView(w http.ResponseWriter, r *http.Request) error {
	return s.editView(w, r, "list.views.deleted", func(q *db.Queries, id int64) error {
		n, err := q.DeleteView(r.Context(), id, subjectOf(r).UserID)
		if err == nil && n == 0 {
			return fmt.Errorf("view %d: %w", id, db.ErrNotFound)
		}
		return err
	})
}

// editView changes a view of the person and leads back. Somebody else's is one that is not there.
func (s *Server) editView(w http.ResponseWriter, r *http.Request, said string, change func(*db.Queries, int64) error) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	raw := chi.URLParam(r, "view")
	id, err := strconv.ParseInt(raw, 10, 64)
	if err != nil {
		return badInput("bad_id", map[string]any{"Value": raw})
	}
	if err := s.store.Write(r.Context(), func(q *db.Queries) error { return change(q, id) }); err != nil {
		return viewProblem(err, viewName(r))
	}
	s.leaveFlash(r, views.Notice{Tone: ui.ToneOK, Title: s.presenter(r).loc.T(said)})
	return s.redirect(w, r, s.next(r.PostForm.Get("next")))
}

// viewName is the name that a form gives to a view.
func viewName(r *http.Request) string {
	name := strings.TrimSpace(r.PostForm.Get("name"))
	if !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return ""
	}
	return name
}

func viewProblem(err error, name string) error {
	switch {
	case errors.Is(err, db.ErrConflict):
		return &ProblemError{Status: http.StatusConflict, ID: "view_taken", Args: map[string]any{"Name": name}, Err: err}
	case errors.Is(err, db.ErrLimit) && (name == "" || len(name) > db.MaxViewName):
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "view_name", Err: err}
	case errors.Is(err, db.ErrLimit):
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "view_limit", Args: map[string]any{"Limit": db.MaxViews}, Err: err}
	}
	return err
}
