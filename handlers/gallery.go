package handlers

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"tiga/views/gallery"
)

// showGallery shows every part and screen with made-up data. It is mounted in development only.
func (s *Server) showGallery(w http.ResponseWriter, r *http.Request) error {
	lang := s.catalogue.Match(r.Header.Get("Accept-Language"), cookieValue(r, languageCookie))
	env := gallery.Env{Lang: lang, Now: s.now(), Mount: "/gallery/"}
	name := chi.URLParam(r, "story")
	if name == "" {
		return s.show(w, r, http.StatusOK, gallery.Index(env))
	}
	story, ok := gallery.Find(env, name)
	if !ok {
		return errNoRoute
	}
	return s.show(w, r, http.StatusOK, story.Page)
}
