package history

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// dictionarySize is how much of the first objects of a kind is kept as what the others are compressed against: most
	// objects of a kind repeat each other. It is the window of DEFLATE.
	dictionarySize = 32 << 10
	// unpackLimit bounds what a state may unpack to. More is never packed, see canonical.
	unpackLimit = 4 << 20
)

var errUnpack = errors.New("state cannot be unpacked")

// codec packs the states of the objects of one kind. The first ones are kept as they are until there is enough for a
// dictionary. It belongs to one goroutine.
type codec struct {
	dictionary []byte
	ready      bool
	warm       *warm
	writer     *flate.Writer
	reader     io.ReadCloser
	buffer     bytes.Buffer
}

// cool frees what packing and unpacking need, which is far more than what is packed.
func (c *codec) cool() { c.writer, c.reader, c.buffer = nil, nil, bytes.Buffer{} }

// warm are the codecs that were used last. The others are cool.
type warm struct{ codecs []*codec }

// maxWarm bounds their memory: about 1 MiB each.
const maxWarm = 4

func (w *warm) use(c *codec) {
	i := slices.Index(w.codecs, c)
	if i == 0 {
		return
	}
	if i > 0 {
		w.codecs = slices.Delete(w.codecs, i, i+1)
	}
	w.codecs = slices.Insert(w.codecs, 0, c)
	if len(w.codecs) > maxWarm {
		w.codecs[maxWarm].cool()
		w.codecs = w.codecs[:maxWarm]
	}
}

func (w *warm) cool() {
	for _, c := range w.codecs {
		c.cool()
	}
	w.codecs = nil
}

// packed is a state. plain marks one that came before the dictionary.
type packed struct {
	data  []byte
	plain bool
}

// learn adds a state to the dictionary, and reports whether it is full now: then plain states can be packed.
func (c *codec) learn(state []byte) (full bool) {
	if c.ready {
		return false
	}
	if room := dictionarySize - len(c.dictionary); len(state) > room/2 && len(c.dictionary) == 0 {
		state = state[:min(len(state), room/2)] // one large object says little about the others
	}
	c.dictionary = append(c.dictionary, state...)
	if len(c.dictionary) < dictionarySize {
		return false
	}
	c.ready, c.dictionary = true, c.dictionary[:dictionarySize]
	return true
}

// pack makes a state small.
func (c *codec) pack(state []byte) (packed, error) {
	if !c.ready {
		return packed{bytes.Clone(state), true}, nil
	}
	c.warm.use(c)
	c.buffer.Reset()
	if c.writer == nil {
		w, err := flate.NewWriterDict(&c.buffer, flate.DefaultCompression, c.dictionary)
		if err != nil {
			return packed{}, fmt.Errorf("pack: %w", err)
		}
		c.writer = w
	} else {
		c.writer.Reset(&c.buffer)
	}
	if _, err := c.writer.Write(state); err != nil {
		return packed{}, fmt.Errorf("pack: %w", err)
	}
	if err := c.writer.Close(); err != nil {
		return packed{}, fmt.Errorf("pack: %w", err)
	}
	return packed{bytes.Clone(c.buffer.Bytes()), false}, nil
}

// unpack is the reverse.
func (c *codec) unpack(p packed) (map[string]any, error) {
	state := p.data
	if !p.plain {
		c.warm.use(c)
		source := bytes.NewReader(p.data)
		if c.reader == nil {
			c.reader = flate.NewReaderDict(source, c.dictionary)
		} else if err := c.reader.(flate.Resetter).Reset(source, c.dictionary); err != nil {
			return nil, fmt.Errorf("%w: %w", errUnpack, err)
		}
		var err error
		if state, err = io.ReadAll(io.LimitReader(c.reader, unpackLimit)); err != nil {
			return nil, fmt.Errorf("%w: %w", errUnpack, err)
		}
	}
	tree, err := decode(state)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnpack, err)
	}
	return tree, nil
}

// decode reads JSON with its whole numbers as such.
func decode(data []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	numbers(tree)
	return tree, nil
}

// numbers makes the numbers of a tree those that objects have: int64, or float64 where they are not whole.
func numbers(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, item := range x {
			x[k] = numbers(item)
		}
	case []any:
		for i, item := range x {
			x[i] = numbers(item)
		}
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64() // a number in JSON is one
		return f
	}
	return v
}
