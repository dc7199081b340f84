package handlers

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"tiga/db"
	"tiga/kube/kinds"
	"tiga/views"
	"tiga/views/ui"
)

// The columns that every list has besides those of its kind.
const (
	columnName      = "name"
	columnNamespace = "namespace"
	// columnLabel begins the id of a column of a label: "label:app".
	columnLabel = "label:"
)

const (
	// maxColumns bounds the columns of a list.
	maxColumns = 40
	// maxOffered bounds the keys of labels that the chooser offers.
	maxOffered = 100
)

// labelKey is what an API server takes for the key of a label.
var labelKey = regexp.MustCompile(`^(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)

// tableColumn is a column of a list as it is shown: one that every list has (at -1), the kind's at an index, or a joined
// one.
type tableColumn struct {
	id    string
	title string // the cluster's own words for a custom kind's column, or a label's key
	form  kinds.Form
	at    int
	fixed bool // always shown
	shown bool
	// joined makes the cell of a column that the cache does not know; lists are sorted by it here.
	joined func(*kinds.Row) kinds.Cell
	href   func(text string) string // where a cell leads
	most   func(*kinds.Row) float64 // what a figure is a part of
}

// cell is the column's cell of a row.
func (col tableColumn) cell(row *kinds.Row) kinds.Cell {
	switch {
	case col.joined != nil:
		return col.joined(row)
	case col.at >= 0 && col.at < len(row.Cells):
		return row.Cells[col.at]
	case col.id == columnName:
		return kinds.Cell{Text: row.Name, Form: kinds.FormName}
	case col.id == columnNamespace:
		return kinds.Cell{Text: row.Namespace}
	}
	return kinds.Cell{}
}

// tableColumns are all columns of a list: those that are shown, in the chosen order, then the others in the kind's.
// Without a choice the namespace is left out where only one is looked at.
func tableColumns(k *kinds.Kind, in listInput) []tableColumn {
	all := []tableColumn{{id: columnName, form: kinds.FormName, at: -1, fixed: true, shown: true}}
	if i, ok := k.Column(k.Subject); ok {
		all[0].id, all[0].at = k.Subject, i
	}
	if k.Namespaced {
		all = append(all, tableColumn{id: columnNamespace, at: -1, shown: len(in.namespaces) != 1})
	}
	for i, col := range k.Columns {
		if col.ID != k.Subject {
			all = append(all, tableColumn{id: col.ID, title: col.Title, form: col.Form, at: i, shown: !col.Hidden})
		}
	}
	if in.usage != nil {
		all = withUsage(k, all, in.usage)
	}
	if len(in.columns) == 0 {
		return all
	}
	out, rest := all[:1:1], all[1:]
	for _, id := range in.columns {
		known := func(c tableColumn) bool { return c.id == id }
		if slices.ContainsFunc(out, known) || len(out) == maxColumns {
			continue
		}
		if i := slices.IndexFunc(rest, known); i >= 0 {
			out = append(out, rest[i])
		} else if key, ok := strings.CutPrefix(id, columnLabel); ok && labelKey.MatchString(key) {
			out = append(out, labelColumn(key, in))
		}
	}
	for i := range out {
		out[i].shown = true
	}
	for _, col := range rest {
		if !slices.ContainsFunc(out, func(c tableColumn) bool { return c.id == col.id }) {
			col.shown = false
			out = append(out, col)
		}
	}
	return out
}

// labelColumn is the column of a label. Its cells lead to the list of those that have the same value.
func labelColumn(key string, in listInput) tableColumn {
	return tableColumn{
		id: columnLabel + key, title: key, form: kinds.FormName, at: -1,
		joined: func(row *kinds.Row) kinds.Cell {
			v, _ := row.Label(key)
			return kinds.Cell{Text: v, Form: kinds.FormName}
		},
		href: func(value string) string {
			term := columnLabel + key + "=" + value
			if in.path == "" || value == "" || strings.ContainsAny(value, "\" \t\r\n\u3000") || slices.Contains(strings.Fields(in.text), term) {
				return ""
			}
			return in.query.with("q", strings.TrimSpace(in.text+" "+term)).at(in.path)
		},
	}
}

func shownColumns(all []tableColumn) []tableColumn {
	return slices.DeleteFunc(slices.Clone(all), func(c tableColumn) bool { return !c.shown })
}

// columnIDs are the ids of columns, as the query string has them.
func columnIDs(shown []tableColumn) []string {
	out := make([]string, len(shown))
	for i := range shown {
		out[i] = shown[i].id
	}
	return out
}

// joinedSort is the joined column that a list is to be sorted by, if it is one that is shown.
func joinedSort(all []tableColumn, sort string) *tableColumn {
	for i := range all {
		if all[i].joined != nil && all[i].shown && all[i].id == strings.TrimPrefix(sort, "-") {
			return &all[i]
		}
	}
	return nil
}

// sortJoined orders rows by a joined column. Those without a value stand at the end either way.
func sortJoined(rows []*kinds.Row, by tableColumn, descending bool) {
	type keyed struct {
		cell kinds.Cell
		row  *kinds.Row
	}
	list := make([]keyed, len(rows))
	for i, row := range rows {
		list[i] = keyed{by.cell(row), row}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		switch x, y := a.cell.Empty(), b.cell.Empty(); {
		case x && y:
			return 0
		case x:
			return 1
		case y:
			return -1
		}
		c := strings.Compare(a.cell.Text, b.cell.Text)
		if by.form.Numeric() {
			c = compareFloat(a.cell.Num, b.cell.Num)
		}
		if descending {
			return -c
		}
		return c
	})
	for i := range list {
		rows[i] = list[i].row
	}
}

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (p presenter) columns(shown []tableColumn, in listInput, path string) []views.Column {
	out := make([]views.Column, len(shown))
	figures := 0
	for i, col := range shown {
		key, dir := col.id, ""
		switch in.sort {
		case col.id:
			key, dir = "-"+col.id, "ascending"
		case "-" + col.id:
			dir = "descending"
		}
		// A narrow screen keeps the name, the status and one figure.
		narrow := col.fixed || col.form == kinds.FormStatus
		if col.form.Numeric() {
			figures++
			narrow = figures == 1
		}
		out[i] = views.Column{
			ID: col.id, Title: p.columnTitle(col.id, col.title), Right: col.form.Numeric(), Sort: dir,
			Href: in.query.with("sort", key).at(path), Narrow: narrow,
		}
	}
	return out
}

// columnTitle is the message of a column, or the cluster's own words for it.
func (p presenter) columnTitle(id, own string) string {
	if own != "" {
		return own
	}
	return p.loc.T("column." + id)
}

func (p presenter) chooser(all []tableColumn, in listInput, path string, own *own, rows []*kinds.Row) views.Chooser {
	out := views.Chooser{Post: path + "/columns", Query: in.query.list().encode(), Compact: own.compact}
	for _, shown := range []bool{true, false} {
		for _, col := range all {
			if col.shown == shown {
				out.Columns = append(out.Columns, ui.Option{Value: col.id, Text: p.columnTitle(col.id, col.title), Chosen: col.shown, Refused: col.fixed})
			}
		}
	}
	offered := map[string]bool{}
	for _, row := range rows {
		for _, l := range row.Labels {
			if !offered[l.Key] && len(offered) < maxOffered {
				offered[l.Key] = true
				out.Labels = append(out.Labels, l.Key)
			}
		}
	}
	slices.Sort(out.Labels)
	return out
}

// saveColumns keeps which columns the lists of a kind have for this person, in which order, and how close all rows
// stand. Whoever is sent the address with the columns in it sees them as they are there.
func (s *Server) saveColumns(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	k, form := kindOf(r), r.PostForm
	back := formQuery(form.Get("query")).with("cols")
	columns := slices.DeleteFunc(slices.Clone(form["cols"]), func(id string) bool { return id == "" })
	if raw := strings.TrimPrefix(strings.TrimSpace(form.Get("label")), columnLabel); raw != "" {
		if !labelKey.MatchString(raw) {
			return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "column_label", Args: map[string]any{"Value": cut(raw, 320)}}
		}
		columns = append(columns, columnLabel+raw)
	}
	if len(columns) > maxColumns {
		return &ProblemError{Status: http.StatusUnprocessableEntity, ID: "too_many_columns", Args: map[string]any{"Limit": maxColumns}}
	}
	if direction, id, ok := strings.Cut(form.Get("move"), " "); ok {
		moveColumn(columns, id, direction == "up")
	}
	if len(slices.DeleteFunc(slices.Clone(back["ns"]), isAll)) == 1 && !slices.Contains(columns, columnNamespace) {
		columns = slices.Insert(columns, 0, columnNamespace) // it was not there to choose, see listColumns
	}
	// What is not a column of this kind is not kept, and neither is what it shows by itself.
	in := listInput{usage: s.usageOf(r, k)}
	standard := columnIDs(shownColumns(tableColumns(k, in)))
	in.columns = columns
	columns = columnIDs(shownColumns(tableColumns(k, in)))
	if form.Get("reset") != "" || len(form["cols"]) == 0 && form.Get("label") == "" || slices.Equal(columns, standard) {
		columns = nil
	}
	err := s.keep(r, func(q *db.Queries) error {
		if err := s.prefer(r, q, preferColumns+k.ID(), columns, len(columns) > 0); err != nil {
			return err
		}
		if form.Get("density") == "" {
			return nil
		}
		return s.prefer(r, q, preferDensity, densityCompact, form.Get("density") == densityCompact)
	})
	if err != nil {
		return err
	}
	return s.redirect(w, r, back.at(kindPath(clusterOf(r).ID(), k)))
}

// moveColumn moves a column by one step.
func moveColumn(columns []string, id string, up bool) {
	from := slices.Index(columns, id)
	to := from + 1
	if up {
		to = from - 1
	}
	if from >= 0 && to >= 0 && to < len(columns) {
		columns[from], columns[to] = columns[to], columns[from]
	}
}
