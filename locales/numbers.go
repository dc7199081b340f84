package locales

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// write turns a placeholder's value into text; numbers get separators.
func (l *Locale) write(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int:
		return l.Number(float64(v))
	case int32:
		return l.Number(float64(v))
	case int64:
		return l.Number(float64(v))
	case float64:
		return l.Number(v)
	case time.Duration:
		return l.Duration(v)
	case time.Time:
		return l.Time(v)
	}
	return fmt.Sprint(v)
}

// Number writes n with a separator between thousands, which both languages write as a comma, and at most two decimals.
func (l *Locale) Number(n float64) string {
	s := strconv.FormatFloat(math.Round(n*100)/100, 'f', -1, 64)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, fraction, found := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return sign + whole + "." + fraction
	}
	return sign + whole
}

// Age writes a duration in its largest unit, with the letters that kubectl uses and that are read in both languages:
// 45s, 3m, 5h, 34d, 2y.
func (l *Locale) Age(d time.Duration) string {
	n, unit := largest(d)
	return strconv.Itoa(n) + unit
}

// Duration writes a duration in its largest unit for a sentence: "3 minutes", "3 分钟".
func (l *Locale) Duration(d time.Duration) string {
	n, unit := largest(d)
	return l.T("duration."+unit, "Count", n)
}

// largest splits off the biggest unit. Days count up to two years, as an age of "1y" hides too much.
func largest(d time.Duration) (int, string) {
	const day = 24 * time.Hour
	d = max(0, d)
	switch {
	case d < time.Minute:
		return int(d / time.Second), "s"
	case d < time.Hour:
		return int(d / time.Minute), "m"
	case d < 2*day:
		return int(d / time.Hour), "h"
	case d < 2*365*day:
		return int(d / day), "d"
	}
	return int(d / (365 * day)), "y"
}

// Time writes an instant to the second, in UTC, so that two people who compare screens read the same.
func (l *Locale) Time(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// CPU writes cores: below one in thousandths with an m, as in a manifest.
func (l *Locale) CPU(cores float64) string {
	switch {
	case cores == 0:
		return "0"
	case cores < 1:
		return strconv.Itoa(int(math.Ceil(cores*1000))) + "m"
	case cores < 100:
		return strconv.FormatFloat(math.Round(cores*10)/10, 'f', -1, 64)
	}
	return l.Number(math.Round(cores))
}

// Bytes writes a size in binary units with the names of a manifest: 46 Mi, 3.1 Gi.
func (l *Locale) Bytes(n float64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return l.Number(math.Round(n)) + " B"
	}
	i := -1
	for n >= 1023.5 && i < len(units)-1 {
		n /= 1024
		i++
	}
	digits := 0
	if n < 9.95 {
		digits = 1
	}
	s := strconv.FormatFloat(n, 'f', digits, 64)
	return strings.TrimSuffix(s, ".0") + " " + units[i:i+1] + "i"
}
