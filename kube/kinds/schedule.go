package kinds

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
)

// schedule is a cron expression as Kubernetes reads it: minute, hour, day of
// the month, month and day of the week as sets of bits, or an interval.
type schedule struct {
	minute, hour, day, month, weekday uint64
	anyDay, anyWeekday                bool // a star: then only the other one counts
	every                             time.Duration
	zone                              *time.Location
}

// scheduleNames are the expressions that have names.
var scheduleNames = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
	"@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

var (
	monthNames   = strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")
	weekdayNames = strings.Fields("sun mon tue wed thu fri sat")
)

// scheduleError is a cron expression that is none, by the part of it that cannot be read.
type scheduleError struct{ part string }

func (e *scheduleError) Error() string { return "not a cron expression: " + e.part }

// readSchedule reads a cron expression. Without a time zone it counts in UTC,
// as the controller does nearly everywhere.
func readSchedule(words string, zone *string) (*schedule, error) {
	s := &schedule{zone: time.UTC}
	name := ""
	if zone != nil {
		name = *zone
	}
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		if rest, ok := strings.CutPrefix(words, prefix); ok {
			name, words, _ = strings.Cut(rest, " ")
		}
	}
	if name != "" {
		var err error
		if s.zone, err = time.LoadLocation(name); err != nil {
			return nil, err
		}
	}
	words = strings.TrimSpace(words)
	if every, ok := strings.CutPrefix(words, "@every "); ok {
		d, err := time.ParseDuration(every)
		if err != nil || d < time.Second {
			return nil, &scheduleError{words}
		}
		s.every = d
		return s, nil
	}
	if full, ok := scheduleNames[words]; ok {
		words = full
	}
	fields := strings.Fields(words)
	if len(fields) != 5 {
		return nil, &scheduleError{words}
	}
	for i, f := range []struct {
		set      *uint64
		low, top int
		names    []string
	}{{&s.minute, 0, 59, nil}, {&s.hour, 0, 23, nil}, {&s.day, 1, 31, nil}, {&s.month, 1, 12, monthNames}, {&s.weekday, 0, 6, weekdayNames}} {
		set, err := readField(fields[i], f.low, f.top, f.names)
		if err != nil {
			return nil, err
		}
		*f.set = set
	}
	star := func(f string) bool { // with a step it chooses days
		return slices.ContainsFunc(strings.Split(f, ","), func(part string) bool {
			part = strings.TrimSuffix(part, "/1")
			return part == "*" || part == "?"
		})
	}
	s.anyDay, s.anyWeekday = star(fields[2]), star(fields[4])
	return s, nil
}

// readField reads one field: "*/15", "1-5", "mon,wed", "7".
func readField(field string, low, top int, names []string) (uint64, error) {
	var set uint64
	number := func(w string) (int, error) {
		for i, name := range names {
			if strings.EqualFold(w, name) {
				return low + i, nil
			}
		}
		return strconv.Atoi(w)
	}
	for part := range strings.SplitSeq(field, ",") {
		span, stepWord, stepped := strings.Cut(part, "/")
		first, last, step := low, top, 1
		var err error
		if span != "*" && span != "?" {
			from, to, ranged := strings.Cut(span, "-")
			if first, err = number(from); err != nil {
				return 0, &scheduleError{field}
			}
			last = first
			switch {
			case ranged:
				if last, err = number(to); err != nil {
					return 0, &scheduleError{field}
				}
			case stepped:
				last = top
			}
		}
		if stepped {
			if step, err = strconv.Atoi(stepWord); err != nil || step < 1 {
				return 0, &scheduleError{field}
			}
		}
		if first < low || last > top || first > last {
			return 0, &scheduleError{field}
		}
		for n := first; n <= last; n += step {
			set |= 1 << n
		}
	}
	return set, nil
}

// scheduleYears is how far ahead a run is looked for: the 29th of February may
// be eight years away.
const scheduleYears = 9

// after is the first instant of the schedule after another one, zero when
// there is none.
func (s *schedule) after(from time.Time) time.Time {
	if s.every > 0 {
		return from.Truncate(time.Second).Add(s.every)
	}
	t := from.In(s.zone).Truncate(time.Minute).Add(time.Minute)
	end := t.AddDate(scheduleYears, 0, 0)
	for t.Before(end) {
		hour := t.Add(time.Hour - time.Duration(t.Minute())*time.Minute)
		switch later := s.minute >> t.Minute(); {
		case s.month&(1<<int(t.Month())) == 0:
			t = laterOf(time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, s.zone), hour)
		case !s.onDay(t):
			t = laterOf(time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, s.zone), hour)
		case s.hour&(1<<t.Hour()) == 0, later == 0:
			t = hour
		default:
			return t.Add(time.Duration(bits.TrailingZeros64(later)) * time.Minute)
		}
	}
	return time.Time{}
}

// laterOf is the later of two instants: a midnight that the clocks skip must
// not lead back to the day before.
func laterOf(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// onDay reports whether the schedule runs on the day of an instant: where both
// days are named, either of them is enough.
func (s *schedule) onDay(t time.Time) bool {
	day, weekday := s.day&(1<<t.Day()) != 0, s.weekday&(1<<int(t.Weekday())) != 0
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}
