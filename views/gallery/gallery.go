// Package gallery shows every screen and part with made-up data, in every state that matters: empty, one, many, long,
// hostile, failed, forbidden, stale. It is served in development, and is the corpus of the views' tests.
package gallery

import (
	"time"

	"github.com/a-h/templ"

	"tiga/views"
)

// Story is one screen or part in one state.
type Story struct {
	// Name is the story's address below the gallery: "list-many".
	Name string
	// Page is a whole screen; its Shell is nil for a bare one.
	Page views.Page
	// Dialog is opened over Page, as JavaScript would; nil for most.
	Dialog templ.Component
}

// Env is what made-up data depends on.
type Env struct {
	Lang string // "en" or "zh-CN": the language of words that handlers would have translated
	Now  time.Time
	// Mount is where the gallery is served, such as "/gallery/".
	Mount string
}

// Stories are all stories, in the order of the index.
func Stories(e Env) []Story {
	var list []Story
	for _, part := range [][]Story{
		homes(e), overviews(e), lists(e), details(e), editors(e), forms(e), actions(e), drains(e), applies(e), operations(e), histories(e), audits(e), clusters(e), accounts(e), apiDocs(e), problems(e), shells(e),
	} {
		list = append(list, part...)
	}
	return list
}

// Find is the story of a name.
func Find(e Env, name string) (Story, bool) {
	for _, s := range Stories(e) {
		if s.Name == name {
			return s, true
		}
	}
	return Story{}, false
}

// Index is the page that lists the stories.
func Index(e Env) views.Page {
	return views.Page{Title: "Gallery", Body: index(e, Stories(e))}
}

// w chooses between the two languages, as the catalogues would.
func (e Env) w(en, zh string) string {
	if e.Lang == "zh-CN" {
		return zh
	}
	return en
}

// ago is an instant before now.
func (e Env) ago(d time.Duration) time.Time { return e.Now.Add(-d) }

// unix is ago for cells.
func (e Env) unix(d time.Duration) float64 { return float64(e.ago(d).Unix()) }
