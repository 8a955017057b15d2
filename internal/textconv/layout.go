package textconv

import "time"

// numericLayout is a layout of package time whose parts all have two digits, and
// the year four: it is read without looking for the parts each time.
type numericLayout struct {
	text string
	// where the parts are; -1 is nowhere
	year, month, day, hour, hour12, minute, second, half int
	literal                                              []int
}

// layoutParts are the parts that a numericLayout may have, the longest first.
var layoutParts = []string{"2006", "01", "02", "15", "03", "04", "05", "PM"}

// newNumericLayout returns nil for layouts with other parts.
func newNumericLayout(layout string) *numericLayout {
	l := &numericLayout{text: layout}
	at := []*int{&l.year, &l.month, &l.day, &l.hour, &l.hour12, &l.minute, &l.second, &l.half}
	for _, p := range at {
		*p = -1
	}
next:
	for i := 0; i < len(layout); {
		for j, part := range layoutParts {
			if len(layout)-i >= len(part) && layout[i:i+len(part)] == part && *at[j] < 0 {
				*at[j] = i
				i += len(part)
				continue next
			}
		}
		switch layout[i] {
		case ' ', '/', '-', ':':
			l.literal = append(l.literal, i)
			i++
		default:
			return nil
		}
	}
	whole := l.year >= 0 && l.month >= 0 && l.day >= 0 && (l.hour < 0 || l.hour12 < 0) && (l.hour12 < 0) == (l.half < 0)
	if hasClock := l.hour >= 0 || l.hour12 >= 0; !whole || !hasClock && (l.minute >= 0 || l.second >= 0) {
		return nil
	}
	return l
}

// read reads a text that has exactly the layout's form. Whatever it does not read
// is left to package time.
func (l *numericLayout) read(text []byte) (c clock, ok bool) {
	if len(text) != len(l.text) {
		return c, false
	}
	for _, i := range l.literal {
		if text[i] != l.text[i] {
			return c, false
		}
	}
	century, year := two(text, l.year), two(text, l.year+2)
	month, day := two(text, l.month), two(text, l.day)
	if century < 0 || year < 0 || month < 1 || month > 12 || day < 1 {
		return c, false
	}
	year += 100 * century
	hour, ok := l.readHour(text)
	minute, second := l.part(text, l.minute), l.part(text, l.second)
	if !ok || year == 0 || day > daysIn(year, month) || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return c, false
	}
	return clock{days: civilDays(year, month, day), second: hour*3600 + minute*60 + second}, true
}

func (l *numericLayout) readHour(text []byte) (int, bool) {
	if l.hour12 < 0 {
		hour := l.part(text, l.hour)
		return hour, hour >= 0 && hour <= 23
	}
	hour := two(text, l.hour12)
	if hour < 1 || hour > 12 || text[l.half+1] != 'M' {
		return 0, false
	}
	switch text[l.half] {
	case 'A':
		return hour % 12, true
	case 'P':
		return hour%12 + 12, true
	}
	return 0, false
}

// part reads two digits, or none where the layout has not the part.
func (l *numericLayout) part(text []byte, at int) int {
	if at < 0 {
		return 0
	}
	return two(text, at)
}

// layout is one of those that a column declares.
type layout struct {
	text    string
	numeric *numericLayout
}

func newLayouts(texts []string) []layout {
	var out []layout
	for _, t := range texts {
		out = append(out, layout{t, newNumericLayout(t)})
	}
	return out
}

// parseLayouts takes the first layout that the text has. It returns the day as it
// is written, and microseconds since the Unix epoch.
func parseLayouts(layouts []layout, text []byte, zone *time.Location) (days int, micros int64, ok bool) {
	var s string
	for _, l := range layouts {
		if l.numeric != nil {
			if c, ok := l.numeric.read(text); ok {
				return c.days, c.in(zone), true
			}
		}
		if s == "" {
			s = string(text)
		}
		if t, err := time.ParseInLocation(l.text, s, zone); err == nil {
			y, m, d := t.Date()
			return civilDays(y, int(m), d), t.UnixMicro(), true
		}
	}
	return 0, 0, false
}
