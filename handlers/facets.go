package handlers

import (
	"net/http"
	"slices"
	"unicode/utf8"

	"tiga/access"
	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views"
)

// facetStatus is the facet whose values stand over the list; the others have theirs in a sheet.
const facetStatus = "status"

// facetPrefix begins the fields of an address that choose values of facets.
const facetPrefix = "f."

// facetChips is how many values of the status stand over the list.
const facetChips = 6

// maxFacetValues bounds what one facet may be asked for at once.
const maxFacetValues = 100

// facetIDs are the facets of a list, in the order in which they are shown.
func facetIDs(k *kinds.Kind, in listInput) []string {
	var out []string
	if slices.Contains(k.Facets, facetStatus) {
		out = append(out, facetStatus)
	}
	if k.Namespaced && len(in.namespaces) != 1 {
		out = append(out, columnNamespace)
	}
	for _, id := range k.Facets {
		if id != facetStatus {
			out = append(out, id)
		}
	}
	return out
}

// facetTitle is the title of the column that a facet counts.
func (p presenter) facetTitle(k *kinds.Kind, id string) string {
	if i, ok := k.Column(id); ok {
		return p.columnTitle(id, k.Columns[i].Title)
	}
	return p.loc.T("column." + id)
}

// facets are the chips over the list: the words of the status with their counts, and of the other facets what is chosen.
func (p presenter) facets(k *kinds.Kind, counted []cache.Facet, in listInput, path string) []views.Facet {
	var out []views.Facet
	for _, id := range facetIDs(k, in) {
		part := views.Facet{ID: id, Title: p.facetTitle(k, id)}
		values := []cache.FacetValue{}
		if i := slices.IndexFunc(counted, func(f cache.Facet) bool { return f.ID == id }); i >= 0 {
			values = counted[i].Values
		}
		if id != facetStatus || len(values) > facetChips {
			part.Sheet = in.query.with("of", id).at(path + "/facet")
		}
		for i, v := range values {
			if !v.Chosen && (id != facetStatus || i >= facetChips || v.Value == "") {
				continue
			}
			part.Options = append(part.Options, p.facetOption(id, v, func() string { return in.query.with(facetPrefix+id, toggled(in.facets[id], v.Value)...).at(path) }))
		}
		if part.Sheet != "" || len(part.Options) > 0 {
			out = append(out, part)
		}
	}
	return out
}

// toggled is a choice with a value added, or taken back.
func toggled(chosen []string, value string) []string {
	if slices.Contains(chosen, value) {
		return slices.DeleteFunc(slices.Clone(chosen), func(x string) bool { return x == value })
	}
	return append(slices.Clone(chosen), value)
}

func (p presenter) facetOption(id string, v cache.FacetValue, href func() string) views.FacetOption {
	text := v.Value
	switch {
	case v.Value == "":
		text = p.loc.T("list.facet.without")
	case id == facetStatus:
		text = p.words(kinds.Status{Word: v.Value}.Label())
	}
	return views.FacetOption{Value: v.Value, Text: text, Count: v.Count, Tone: tone(v.Tone), On: v.Chosen, Href: href()}
}

// showFacet is the sheet with all values of a facet: for a page to open, or as a page of its own.
func (s *Server) showFacet(w http.ResponseWriter, r *http.Request) error {
	in, err := parseList(r)
	if err != nil {
		return err
	}
	k, c, p := kindOf(r), clusterOf(r), s.presenter(r)
	id := r.URL.Query().Get("of")
	if !slices.Contains(facetIDs(k, listInput{}), id) {
		return badInput("bad_request", nil)
	}
	permit, err := s.permit(r, access.VerbList, k, "", "")
	if err != nil {
		return err
	}
	q := in.cacheQuery(k)
	q.Page, q.Size, q.Count = 1, 1, []string{id}
	page, err := c.List(r.Context(), permit, q)
	if err != nil {
		return err
	}
	path, state := kindPath(c.ID(), k), in.query.with("of")
	m := views.FacetSheet{
		Title: p.loc.T("list.facet.title", "Kinds", k.Plural, "Facet", p.facetTitle(k, id)), Name: facetPrefix + id,
		Action: path, Keep: state.pairs("f." + id),
	}
	if len(in.facets[id]) > 0 {
		m.Clear = state.with("f." + id).at(path)
	}
	for _, f := range page.Facets {
		if f.ID != id {
			continue
		}
		m.More = f.Distinct - len(f.Values)
		for _, v := range f.Values {
			m.Options = append(m.Options, p.facetOption(id, v, func() string { return state.with(facetPrefix+id, v.Value).at(path) }))
		}
	}
	if isPartial(r) {
		return write(s.viewContext(r), w, http.StatusOK, views.FacetValues(m))
	}
	return s.show(w, r, http.StatusOK, views.Page{
		Title: m.Title, Shell: s.shell(r, place{cluster: c, kind: k, namespaces: in.namespaces}), Body: views.FacetPage(m),
	})
}

// filterError says what is wrong with a filter, and where: characters are counted from 1, as people do.
func (p presenter) filterError(text string, e *cache.FilterError) string {
	position := utf8.RuneCountInString(text[:min(max(e.Pos, 0), len(text))]) + 1
	part := []rune(e.Token)
	if len(part) > 40 {
		part = append(part[:39], '…')
	}
	return p.loc.T("list.filter_error", "Position", position, "Part", string(part), "Reason", p.words(e.Reason))
}
