package textconv

import "time"

// clock is a date and time of day without a zone.
type clock struct {
	days           int // since 1970-01-01
	second, micros int // of the day, of the second
}

// in returns microseconds since the Unix epoch. A time that the zone's clocks
// show twice or skip is taken as [time.Date] takes it.
func (c clock) in(zone *time.Location) int64 {
	if zone == time.UTC {
		return (int64(c.days)*86400+int64(c.second))*1e6 + int64(c.micros)
	}
	t := time.Date(1970, 1, 1+c.days, 0, 0, c.second, c.micros*1000, zone)
	return t.UnixMicro()
}

// parseClock reads 2006-01-02T15:04:05 with a fraction, and returns what follows.
func parseClock(text []byte) (c clock, rest []byte, ok bool) {
	if len(text) < 19 || text[10] != ' ' && text[10] != 'T' && text[10] != 't' || text[13] != ':' || text[16] != ':' {
		return c, nil, false
	}
	c.days, ok = parseDate(text[:10])
	hour, minute, second := two(text, 11), two(text, 14), two(text, 17)
	if !ok || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return c, nil, false
	}
	c.second = hour*3600 + minute*60 + second
	rest = text[19:]
	if len(rest) == 0 || rest[0] != '.' {
		return c, rest, true
	}
	c.micros, rest, ok = parseFraction(rest[1:])
	return c, rest, ok
}

// parseFraction reads 1 to 9 digits as microseconds.
func parseFraction(text []byte) (micros int, rest []byte, ok bool) {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		if n < 6 {
			micros = micros*10 + int(text[n]-'0')
		}
		n++
	}
	if n < 1 || n > 9 {
		return 0, nil, false
	}
	for i := n; i < 6; i++ {
		micros *= 10
	}
	return micros, text[n:], true
}

// parseOffset reads Z, +07, +0700 or +07:00 as seconds east of UTC.
func parseOffset(text []byte) (seconds int, ok bool) {
	if len(text) == 1 {
		return 0, text[0] == 'Z' || text[0] == 'z'
	}
	if len(text) < 3 || text[0] != '+' && text[0] != '-' {
		return 0, false
	}
	hour, minute := two(text, 1), 0
	switch {
	case len(text) == 3:
	case len(text) == 5:
		minute = two(text, 3)
	case len(text) == 6 && text[3] == ':':
		minute = two(text, 4)
	default:
		return 0, false
	}
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	seconds = hour*3600 + minute*60
	if text[0] == '-' {
		seconds = -seconds
	}
	return seconds, true
}

// parseDate reads ten bytes 2006-01-02 or 2006/01/02 as days since 1970-01-01.
func parseDate(text []byte) (days int, ok bool) {
	_ = text[9]
	if sep := text[4]; sep != '-' && sep != '/' || text[7] != sep {
		return 0, false
	}
	century, year := two(text, 0), two(text, 2)
	month, day := two(text, 5), two(text, 8)
	if century < 0 || year < 0 || month < 1 || month > 12 || day < 1 {
		return 0, false
	}
	year += century * 100
	if year == 0 || day > daysIn(year, month) {
		return 0, false
	}
	return civilDays(year, month, day), true
}

// two reads two digits at i, or returns -1.
func two(text []byte, i int) int {
	tens, ones := text[i]-'0', text[i+1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(tens)*10 + int(ones)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// civilDays counts the days from 1970-01-01 in the proleptic Gregorian calendar.
// Years are made to begin in March, so that the leap day comes last.
func civilDays(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146097 + dayOfEra - 719468
}
