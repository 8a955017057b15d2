package textconv

// Where eight characters of YYYY-MM- and of HH:MM:SS are no digits, and what
// they are.
const (
	dateMask  = 0xff0000ff_00000000
	dateMarks = 0x2d00002d_00000000
	timeMask  = 0x0000ff00_00ff0000
	timeMarks = 0x00003a00_003a0000
)

// quickDate reads 2006-01-02 at the start of at least ten characters. Whatever
// it does not read is left to parseDate.
func quickDate(text []byte) (days int, ok bool) {
	w := load8(text, 0)
	tens, one := text[8]-'0', text[9]-'0'
	if w&dateMask != dateMarks || tens > 9 || one > 9 {
		return 0, false
	}
	w = w&^dateMask | zeros&dateMask
	if !areDigits(w) {
		return 0, false
	}
	two := twoDigits(w)
	year, month, day := uint(two&0xff*100+two>>16&0xff), uint(two>>40&0xff), uint(tens)*10+uint(one)
	if year == 0 || month-1 > 11 {
		return 0, false
	}
	leap := uint(0)
	if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		leap = 1
	}
	before := daysBefore[month-1]
	last := daysBefore[month] - before
	if month == 2 {
		last += leap
	}
	if month > 2 {
		before += leap
	}
	if day-1 >= last {
		return 0, false
	}
	y := year - 1
	return int(365*y+y/4-y/100+y/400+before+day) - daysTo1970, true
}

// daysTo1970 counts from the last day of the year 0 (proleptic Gregorian).
const daysTo1970 = 719163

// daysBefore are the days of a common year before each month.
var daysBefore = [...]uint{0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365}

// quickMicros reads 2006-01-02 15:04:05, with T or a space and up to six digits
// of a second, as microseconds since the Unix epoch.
func quickMicros(text []byte) (micros int64, ok bool) {
	n := len(text)
	if n != 19 && (n < 21 || n > 26 || text[19] != '.') || text[10] != ' ' && text[10] != 'T' {
		return 0, false
	}
	days, ok := quickDate(text)
	w := load8(text, 11)
	if !ok || w&timeMask != timeMarks {
		return 0, false
	}
	w = w&^timeMask | zeros&timeMask
	two := twoDigits(w)
	hour, minute, second := two&0xff, two>>24&0xff, two>>48&0xff
	if !areDigits(w) || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	micros = (int64(days)*86400 + int64(hour*3600+minute*60+second)) * 1e6
	if n == 19 {
		return micros, true
	}
	f := lastEight(text, uint32(n), uint32(n-20))
	if !areDigits(f) {
		return 0, false
	}
	return micros + int64(eightDigits(f)*wholePow10[26-n]), true
}
