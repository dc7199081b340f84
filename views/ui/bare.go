package ui

import (
	"strconv"
	"time"
)

// bare stands in where a context carries no locale: ids show as they are, so that the omission is seen.
type bare struct{}

func (bare) Tag() string                  { return "en" }
func (bare) T(id string, _ ...any) string { return id }
func (bare) Number(n float64) string      { return strconv.FormatFloat(n, 'f', -1, 64) }
func (bare) Age(d time.Duration) string   { return d.Truncate(time.Second).String() }
func (bare) Time(t time.Time) string      { return t.UTC().Format(time.RFC3339) }
func (bare) CPU(cores float64) string     { return strconv.FormatFloat(cores, 'f', -1, 64) }
func (bare) Bytes(n float64) string       { return strconv.FormatFloat(n, 'f', 0, 64) }
