package redact

import (
	"context"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
)

// Handler is a slog.Handler that redacts messages and attributes before it hands them on.
type Handler struct {
	next   slog.Handler
	secret bool // inside a group whose name says that everything in it is secret
}

// NewHandler wraps a handler.
func NewHandler(next slog.Handler) *Handler { return &Handler{next: next} }

// Enabled asks the wrapped handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle hands on a redacted copy of the record.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	out := slog.NewRecord(r.Time, r.Level, String(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		out.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, out)
}

// WithAttrs redacts the attributes at once.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	out := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		out[i] = h.attr(a)
	}
	return &Handler{next: h.next.WithAttrs(out), secret: h.secret}
}

// WithGroup remembers whether the group is secret.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{next: h.next.WithGroup(name), secret: h.secret || Key(name)}
}

func (h *Handler) attr(a slog.Attr) slog.Attr { return attr(a, h.secret) }

func attr(a slog.Attr, secret bool) slog.Attr {
	v := a.Value.Resolve()
	secret = secret || Key(a.Key)
	switch v.Kind() {
	case slog.KindGroup:
		members := v.Group()
		out := make([]slog.Attr, len(members))
		for i, m := range members {
			out[i] = attr(m, secret)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(out...)}
	case slog.KindString:
		if secret && v.String() != "" {
			return slog.String(a.Key, Mark)
		}
		return slog.String(a.Key, String(v.String()))
	case slog.KindAny:
		return slog.Any(a.Key, walk(reflect.ValueOf(v.Any()), secret, 0))
	default: // numbers, booleans, times: too little to be a secret
		return slog.Attr{Key: a.Key, Value: v}
	}
}

// maxDepth also ends cycles.
const maxDepth = 8

// walk makes a copy of any value out of maps, slices and strings, with the secrets gone. What a
// value says of itself (error, text, string) goes before what it is made of.
func walk(v reflect.Value, secret bool, depth int) any {
	if !v.IsValid() {
		return nil
	}
	if depth > maxDepth {
		return "[too deep]"
	}
	if v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
	}
	if v.CanInterface() {
		if said, ok := says(v.Interface(), secret, depth); ok {
			return said
		}
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		return walk(v.Elem(), secret, depth+1)
	case reflect.String:
		return text(v.String(), secret)
	case reflect.Bool:
		return v.Bool()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return v.Float()
	case reflect.Slice, reflect.Array:
		return list(v, secret, depth)
	case reflect.Map:
		out := make(map[string]any, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			key := String(fmt.Sprint(walk(entries.Key(), false, depth+1)))
			out[key] = walk(entries.Value(), secret || Key(key), depth+1)
		}
		return out
	case reflect.Struct:
		out := make(map[string]any, v.NumField())
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() {
				continue
			}
			name := field.Name
			if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag != "" && tag != "-" {
				name = tag
			}
			out[name] = walk(v.Field(i), secret || Key(field.Name) || Key(name), depth+1)
		}
		return out
	default: // functions, channels
		return "[" + v.Kind().String() + "]"
	}
}

// says asks a value for its own words. One that panics is not shown.
func says(value any, secret bool, depth int) (said any, ok bool) {
	defer func() {
		if recover() != nil {
			said, ok = "[unprintable]", true
		}
	}()
	switch value := value.(type) {
	case slog.LogValuer:
		v := slog.AnyValue(value).Resolve()
		if v.Kind() == slog.KindLogValuer {
			return "[unprintable]", true
		}
		if v.Kind() == slog.KindGroup {
			out := map[string]any{}
			for _, a := range v.Group() {
				out[a.Key] = walk(reflect.ValueOf(attr(a, secret).Value.Any()), secret || Key(a.Key), depth+1)
			}
			return out, true
		}
		return walk(reflect.ValueOf(v.Any()), secret, depth+1), true
	case error:
		return text(value.Error(), secret), true
	case json.RawMessage:
		return text(string(value), secret), true
	case encoding.TextMarshaler:
		b, err := value.MarshalText()
		return text(string(b), secret), err == nil
	case json.Marshaler:
		b, err := value.MarshalJSON()
		if err != nil {
			return nil, false
		}
		var plain any
		if err := json.Unmarshal(b, &plain); err != nil {
			return nil, false
		}
		return walk(reflect.ValueOf(plain), secret, depth+1), true
	case fmt.Stringer:
		return text(value.String(), secret), true
	}
	return nil, false
}

func list(v reflect.Value, secret bool, depth int) any {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		b := make([]byte, v.Len())
		reflect.Copy(reflect.ValueOf(b), v)
		return text(string(b), secret)
	}
	out := make([]any, 0, v.Len())
	for i := range v.Len() {
		out = append(out, walk(v.Index(i), secret, depth+1))
	}
	return out
}

func text(s string, secret bool) string {
	if secret && s != "" {
		return Mark
	}
	return String(s)
}
