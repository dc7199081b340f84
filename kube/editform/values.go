package editform

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"tiga/kube/kinds"
)

// MaxSize bounds all the values of a ConfigMap or a Secret together; an API server stores no more.
const MaxSize = 1 << 20

// EntryKind is what a value is.
type EntryKind uint8

// The kinds of values. EntryNew is a row that is not in the tree.
const (
	EntryNew    EntryKind = iota
	EntryText             // stands in the form as it is
	EntryOdd              // text with characters that a form cannot hold
	EntryBinary           // bytes
	EntryMasked           // a Secret's, which is not here
	EntryGiven            // bytes of a Secret that were uploaded, and are not stored yet
)

// Entry is what a key has.
type Entry struct {
	Kind EntryKind
	Key  string
	Size int
}

// entry is a key in one of the two maps of a Values field.
type entry struct {
	file  bool // in Files
	key   string
	value any
}

// entries are the keys of both maps: the texts by name, then the files.
func (fd *Field) entries(tree map[string]any) []entry {
	var out []entry
	for i, p := range []Path{fd.Path, fd.Files} {
		for _, key := range keysAt(tree, p) {
			out = append(out, entry{i == 1, key, get(tree, p.with(key))})
		}
	}
	return out
}

// entryOf says what a key has. A Secret's value that is as it was when the edit began is a mark.
func (f *Form) entryOf(fd *Field, e entry) Entry {
	out := Entry{Key: e.key}
	text, isText := e.value.(string)
	switch {
	case e.file:
		out.Kind, out.Size = EntryBinary, lengthOf(text)
		if fd.Secret {
			out.Kind = EntryGiven
		}
	case fd.Secret && isText && text == get(f.base, fd.Path.with(e.key)):
		out.Kind = EntryMasked
		if _, err := fmt.Sscanf(text, "(%d byte", &out.Size); err != nil {
			out.Size = 0
		}
	case !isText || !plain(text):
		out.Kind, out.Size = EntryOdd, len(text)
	default:
		out.Kind, out.Size = EntryText, len(text)
	}
	return out
}

func lengthOf(packed string) int {
	raw, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return len(packed)
	}
	return len(raw)
}

// values writes the rows of a Values field: an uploaded file, else what was typed, else what was there.
func (w *writer) values(tree map[string]any, fd *Field) {
	ids, shown := w.state.Rows[fd.ID]
	if !shown {
		return
	}
	texts, files := map[string]any{}, map[string]any{}
	before := fd.entries(tree)
	size, largest, most := 0, "", -1
	for _, row := range ids {
		key, typedKey := w.state.Values[Name(fd.ID, row, Key)]
		typed, typedValue := w.state.Values[Name(fd.ID, row, Value)]
		given, isFile := w.state.Files[Name(fd.ID, row, File)]
		key = strings.TrimSpace(key)
		place, err := strconv.Atoi(w.state.Values[Name(fd.ID, row, From)])
		var was entry
		var now Entry
		known := err == nil && place >= 0 && place < len(before)
		if known {
			was = before[place]
			now = w.form.entryOf(fd, was)
		}
		if known && (!typedKey || now.Kind == EntryMasked) {
			key = was.key
		}
		if !known && key == "" && typed == "" && !isFile {
			continue
		}
		if !w.key(fd, row, key, was.key, func() bool { return texts[key] != nil || files[key] != nil }) {
			continue
		}
		n := now.Size
		text, _ := was.value.(string)
		switch {
		case isFile && (fd.Secret || !utf8.Valid(given)):
			n = len(given)
			files[key] = base64.StdEncoding.EncodeToString(given)
		case isFile:
			n = len(given)
			texts[key] = string(given)
		case !known, now.Kind == EntryText && typedValue && typed != unix(text):
			texts[key] = likeBefore(typed, text)
			n = len(typed)
		case now.Kind != EntryText && typed != "":
			texts[key] = typed
			n = len(typed)
		case was.file:
			files[key] = was.value
		default:
			texts[key] = was.value
		}
		if size += n + len(key); n > most {
			most, largest = n, Name(fd.ID, row, Value)
		}
	}
	if size > MaxSize {
		w.wrong(largest, message("bad.size", "Size", (size+1023)>>10, "Limit", MaxSize>>10))
	}
	oldTexts, _ := get(tree, fd.Path).(map[string]any)
	oldFiles, _ := get(tree, fd.Files).(map[string]any)
	store(tree, fd.Path, oldTexts, texts)
	store(tree, fd.Files, oldFiles, files)
}

// Content is the bytes of a key of a ConfigMap, of text or not.
func Content(tree map[string]any, key string) ([]byte, bool) {
	if s, ok := get(tree, Path{"binaryData", key}).(string); ok {
		raw, err := base64.StdEncoding.DecodeString(s)
		return raw, err == nil
	}
	s, ok := get(tree, Path{"data", key}).(string)
	return []byte(s), ok
}

// immutable says that values cannot change any more.
func immutable(tree map[string]any) (bool, kinds.Message) {
	if get(tree, Path{"immutable"}) == true {
		return true, message("note.immutable")
	}
	return false, fine
}
