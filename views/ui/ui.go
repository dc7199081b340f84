// Package ui holds the small parts that screens are made of: cells, statuses, menus, forms, notices. A part takes
// plain values and ready addresses; the language, the clock and the asset paths come with the context.
package ui

import (
	"context"
	"time"
)

// Locale is a language: its messages, and how it writes numbers, sizes and times.
type Locale interface {
	// Tag is the BCP 47 tag that the page declares, such as "en" or "zh-CN".
	Tag() string
	// T is the message of an id; args alternate between a placeholder's name and its value.
	T(id string, args ...any) string
	// Number writes n with the language's separators.
	Number(n float64) string
	// Age writes a duration in its largest unit, such as "34d".
	Age(d time.Duration) string
	// Time writes an instant in full, to the second.
	Time(t time.Time) string
	// CPU writes cores, such as "250m" or "1.5".
	CPU(cores float64) string
	// Bytes writes a size in binary units, such as "3.1 Gi".
	Bytes(n float64) string
}

// Env is what every part may need and no model should have to carry.
type Env struct {
	Locale Locale
	// Asset turns the name of a static file ("app.css") into its address; nil means the plain name under /static/.
	Asset func(name string) string
	// Now is the instant that ages are counted from.
	Now time.Time
	// Theme is what the person chose: "light" or "dark"; anything else follows the system.
	Theme string
}

type envKey struct{}

// With returns a context that carries the environment of a rendering.
func With(ctx context.Context, e Env) context.Context { return context.WithValue(ctx, envKey{}, e) }

func env(ctx context.Context) Env {
	e, _ := ctx.Value(envKey{}).(Env)
	if e.Locale == nil {
		e.Locale = bare{}
	}
	return e
}

// T is the message of an id in the language of the rendering.
func T(ctx context.Context, id string, args ...any) string { return env(ctx).Locale.T(id, args...) }

// Lang is the tag of the rendering's language.
func Lang(ctx context.Context) string { return env(ctx).Locale.Tag() }

// Theme is the theme that the person chose, or "" for the system's.
func Theme(ctx context.Context) string {
	if t := env(ctx).Theme; t == "light" || t == "dark" {
		return t
	}
	return ""
}

// Asset is the address of a static file.
func Asset(ctx context.Context, name string) string {
	if f := env(ctx).Asset; f != nil {
		return f(name)
	}
	return "/static/" + name
}

// Number writes a count in the rendering's language.
func Number(ctx context.Context, n int) string { return env(ctx).Locale.Number(float64(n)) }

// FullTime writes an instant to the second, or nothing for the zero time.
func FullTime(ctx context.Context, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return env(ctx).Locale.Time(t)
}

// Age writes how long ago t was, in short.
func Age(ctx context.Context, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	e := env(ctx)
	return e.Locale.Age(max(0, e.Now.Sub(t)))
}
