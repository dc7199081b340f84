package handlers

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"tiga/kube/cache"
	"tiga/kube/kinds"
	"tiga/views/ui"
)

const (
	exportCSV  = "csv"
	exportJSON = "json"
	// exportChunk is how many rows are written before it is asked whether anybody still reads.
	exportChunk = 500
)

// exports are the forms in which a list can be taken along.
func (p presenter) exports(in listInput, path string) []ui.Link {
	var out []ui.Link
	for _, as := range []string{exportCSV, exportJSON} {
		out = append(out, ui.Link{Text: p.loc.T("list.export." + as), Note: p.loc.T("list.export." + as + "_note"), Href: in.query.with("as", as).at(path)})
	}
	return out
}

// exportList sends the whole filtered list with the columns as they are shown. It holds what the pages of the list
// show, no more; figures and instants are written for programs.
func (s *Server) exportList(w http.ResponseWriter, r *http.Request, as string, page cache.Page, shown []tableColumn) error {
	p, k := s.presenter(r), kindOf(r)
	var out rowWriter
	types := map[string]string{exportCSV: "text/csv; charset=utf-8", exportJSON: "application/json"}
	buffer := bufio.NewWriterSize(w, 32<<10)
	switch as {
	case exportCSV:
		out = &csvWriter{p: p, shown: shown, to: csv.NewWriter(buffer), under: buffer}
	case exportJSON:
		out = &jsonWriter{p: p, shown: shown, to: buffer}
	default:
		return badInput("bad_request", nil)
	}
	name := clusterOf(r).Name() + "-" + k.ID() + "-" + s.now().UTC().Format(time.DateOnly) + "." + as
	h := w.Header()
	h.Set("Content-Type", types[as])
	h.Set("Content-Disposition", attachment(name))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	err := writeRows(r.Context(), out, page.Rows)
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil { // the answer has begun: who still reads it sees that it ends before its end
		s.log.InfoContext(r.Context(), "export cut short", "error", err, "request_id", requestID(r))
		panic(http.ErrAbortHandler)
	}
	return nil
}

func writeRows(ctx context.Context, out rowWriter, rows []*kinds.Row) error {
	if err := out.begin(); err != nil {
		return err
	}
	for i, row := range rows {
		if i%exportChunk == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := out.row(row); err != nil {
			return err
		}
	}
	return out.end()
}

// attachment is the header of a file to be kept under a name, of which what some file system does not take is replaced.
func attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	return mime.FormatMediaType("attachment", map[string]string{"filename": name})
}

// rowWriter writes an export.
type rowWriter interface {
	begin() error
	row(row *kinds.Row) error
	end() error
}

// csvWriter writes a table for spreadsheets.
type csvWriter struct {
	p     presenter
	shown []tableColumn
	to    *csv.Writer
	under io.Writer
	line  []string
}

func (c *csvWriter) begin() error {
	// Without the mark spreadsheets take UTF-8 for something else.
	if _, err := io.WriteString(c.under, "\ufeff"); err != nil {
		return err
	}
	for _, col := range c.shown {
		title := c.p.columnTitle(col.id, col.title)
		c.line = append(c.line, harmlessCell(title))
		if col.form == kinds.FormStatus {
			c.line = append(c.line, harmlessCell(c.p.loc.T("list.export.reason", "Column", title)))
		}
	}
	return c.to.Write(c.line)
}

func (c *csvWriter) row(row *kinds.Row) error {
	c.line = c.line[:0]
	for _, col := range c.shown {
		cell := col.cell(row)
		if cell.Form == kinds.FormStatus {
			cell.Text = c.p.words(kinds.Status{Word: cell.Text}.Label())
		}
		switch v := exported(cell).(type) {
		case float64:
			c.line = append(c.line, strconv.FormatFloat(v, 'f', -1, 64))
		case string:
			c.line = append(c.line, harmlessCell(v))
		default:
			c.line = append(c.line, "")
		}
		if col.form == kinds.FormStatus {
			c.line = append(c.line, harmlessCell(c.p.words(cell.Note)))
		}
	}
	return c.to.Write(c.line)
}

func (c *csvWriter) end() error {
	c.to.Flush()
	return c.to.Error()
}

// harmlessCell keeps a spreadsheet from taking text for a formula: whoever may name an object could else run one on the
// computer of whoever opens the file.
func harmlessCell(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

// jsonWriter writes an array with an object per row, whose keys are the ids of the columns.
type jsonWriter struct {
	p     presenter
	shown []tableColumn
	to    *bufio.Writer
	rows  int
}

func (j *jsonWriter) begin() error {
	_, err := j.to.WriteString("[")
	return err
}

func (j *jsonWriter) row(row *kinds.Row) error {
	separator := ",\n"
	if j.rows == 0 {
		separator = "\n"
	}
	j.rows++
	fields := make(map[string]any, len(j.shown)+1)
	for _, col := range j.shown {
		cell := col.cell(row)
		fields[col.id] = exported(cell)
		if reason := j.p.words(cell.Note); col.form == kinds.FormStatus && reason != "" {
			fields[col.id+"_reason"] = reason
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	if _, err := j.to.WriteString(separator); err != nil {
		return err
	}
	_, err = j.to.Write(text)
	return err
}

func (j *jsonWriter) end() error {
	_, err := j.to.WriteString("\n]\n")
	return err
}

// exported is a cell's value for programs: a number, an instant in RFC 3339, a text, or nil for none.
func exported(c kinds.Cell) any {
	switch c.Form {
	case kinds.FormAge, kinds.FormTime:
		if c.Num != 0 {
			return time.Unix(int64(c.Num), 0).UTC().Format(time.RFC3339)
		}
	case kinds.FormNumber, kinds.FormCPU, kinds.FormBytes:
		if n, err := strconv.ParseInt(c.Text, 10, 64); err == nil { // greater than a float64 holds without loss
			return n
		}
		return c.Num
	case kinds.FormText, kinds.FormName, kinds.FormRatio, kinds.FormStatus:
		if c.Text != "" {
			return c.Text
		}
	}
	return nil
}
