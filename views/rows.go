package views

import (
	"github.com/a-h/templ"

	"tiga/views/ui"
)

// rows are the rows of a list, with a box to pick each if they can be selected. They are most of a page, and are written
// by hand for it; see ui.Markup.
func rows(list []Row, columns []Column, pick bool) templ.Component {
	return ui.Part(func(m *ui.Markup) {
		for i := range list {
			row(m, &list[i], columns, pick)
		}
	})
}

func row(m *ui.Markup, r *Row, columns []Column, pick bool) {
	m.Attribute(`<tr id="`, "row-"+r.ID)
	if r.Dim {
		m.HTML(` class="dim"`)
	}
	m.HTML(` data-row>`)
	name := ui.Visible(r.Name)
	if pick {
		m.Attribute(`<td class="pick"><input type="checkbox" class="tick" name="o" value="`, r.Pick)
		m.Attribute(` form="bulk" id="`, "pick-"+r.ID)
		m.Attribute(` aria-label="`, m.T("ui.list.select", "Name", name))
		m.HTML(`></td>`)
	}
	for i := range min(len(r.Cells), len(columns)) {
		c, column := &r.Cells[i], &columns[i]
		switch class := ui.CellClass(*c); {
		case i == 0:
			m.Address(`<th scope="row" class="mono keep"><a href="`, r.Href)
			m.HTML(` data-row-link>`)
			m.Text(name)
			m.HTML(`</a></th>`)
			continue
		case column.Narrow && class == "":
			m.HTML(`<td class="keep"`)
		case column.Narrow:
			m.Attribute(`<td class="`, class+" keep")
		default:
			m.Attribute(`<td class="`, class)
			m.Attribute(` data-label="`, column.Title)
		}
		m.HTML(`>`)
		m.Value(c)
		m.HTML(`</td>`)
	}
	m.HTML(`<td class="end">`)
	if len(r.Menu) > 0 {
		m.Menu("menu-"+r.ID, m.T("ui.actions_of", "Name", name), "ellipsis", func() {
			m.ActionLinks(r.Menu)
			m.HTML(` `)
			m.Copy(r.Name, "item")
		})
	}
	m.HTML(`</td></tr>`)
}
