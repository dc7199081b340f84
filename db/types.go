package db

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

const redacted = "[redacted]"

// Micros is an instant as the store keeps it: microseconds since 1970 in UTC. The zero time is 0,
// which means never.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the reverse of Micros.
func Time(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// Secret is text that is stored but never shown. It has no printable form; Reveal is the only way to
// the text.
type Secret struct{ text string }

// NewSecret wraps text that must not be printed.
func NewSecret(text string) Secret { return Secret{text: text} }

// Reveal returns the text.
func (s Secret) Reveal() string { return s.text }

// String keeps the text out of messages.
func (Secret) String() string { return redacted }

// GoString keeps the text out of %#v.
func (Secret) GoString() string { return redacted }

// LogValue keeps the text out of logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the text out of JSON and YAML.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Scan implements sql.Scanner.
func (s *Secret) Scan(src any) error {
	switch v := src.(type) {
	case string:
		s.text = v
	case []byte:
		s.text = string(v)
	default:
		return fmt.Errorf("scan a secret from %T", src)
	}
	return nil
}

// Value implements driver.Valuer.
func (s Secret) Value() (driver.Value, error) { return s.text, nil }

// List is a list of words in one column, stored as JSON.
type List []string

// Scan implements sql.Scanner.
func (l *List) Scan(src any) error {
	var text []byte
	switch v := src.(type) {
	case string:
		text = []byte(v)
	case []byte:
		text = v
	default:
		return fmt.Errorf("scan a list from %T", src)
	}
	*l = nil
	if err := json.Unmarshal(text, l); err != nil {
		return fmt.Errorf("scan a list: %w", err)
	}
	return nil
}

// Value implements driver.Valuer. No list is the empty list.
func (l List) Value() (driver.Value, error) {
	if l == nil {
		return "[]", nil
	}
	text, err := json.Marshal([]string(l))
	if err != nil {
		return nil, fmt.Errorf("store a list: %w", err)
	}
	return string(text), nil
}
