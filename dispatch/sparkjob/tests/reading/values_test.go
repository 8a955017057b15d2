//go:build spark

package reading

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
)

// random makes declarations, values and files.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 77))} }

func (r random) chance(percent int) bool { return r.IntN(100) < percent }

func pick[T any](r random, of ...T) T { return of[r.IntN(len(of))] }

var (
	layoutsOfDates = []string{
		"", "", "02.01.2006", "Jan 2, 2006|2006-01-02", "20060102", "2006/002", "_2 January 2006", "2006-01-02 -0700", "06-1-2", "Mon, 02 Jan 2006",
		"__2 2006", "2006-01", "01/02",
	}
	layoutsOfTimes = []string{
		"", "", "2006-01-02 15:04:05", "02/01/2006 03:04:05 PM", "2006-01-02T15:04:05.000", "2006-01-02 15:04:05,999|02.01.2006 15:04",
		"Jan _2 3:4:5pm 2006", "January 02 2006 15:04:05.000000000", "060102150405", "15:04", "2006-01-02  15h04", "2006-01-02T15:04:05.99.00",
	}
	layoutsOfZones = []string{
		"", "", "2006-01-02T15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "02 Jan 06 15:04 -07", "2006-01-02 15:04:05 Z070000",
		"2006-01-02 15:04:05 -07:00:00", "2006-01-02 15:04:05", "Monday, 02-Jan-06 15:04:05 Z0700",
	}
	zones = []string{
		"", "", "UTC", "America/Chicago", "Europe/London", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia", "America/St_Johns",
	}
)

// column declares a column of a random type.
func (r random) column(name string, key bool) etl.Column {
	types := []string{"bool", "int", "long", "decimal(9,2)", "decimal(38,10)", "decimal(18,0)", "date", "timestamp", "timestamptz", "string", "string", "binary", "uuid"}
	if !key {
		types = append(types, "float", "double")
	}
	c := etl.Column{Name: name, Type: typeOf(pick(r, types...))}
	switch c.Type {
	case etl.Date:
		c.Format = pick(r, layoutsOfDates...)
	case etl.Timestamp:
		c.Format = pick(r, layoutsOfTimes...)
	case etl.TimestampTZ:
		c.Format, c.Zone = pick(r, layoutsOfZones...), pick(r, zones...)
	case etl.Binary:
		c.Format = pick(r, "", "base64", "hex")
	}
	c.Required = r.chance(15)
	return c
}

func typeOf(name string) etl.Type {
	t, err := etl.ParseType(name)
	if err != nil {
		panic(err)
	}
	return t
}

// text is a value of the column as text, seldom a wrong one.
func (r random) text(c etl.Column, nasty int) string {
	if r.chance(nasty) {
		return r.nasty(c)
	}
	switch c.Type {
	case etl.Bool:
		return pick(r, "true", "FALSE", "t", "F", "y", "N", "0", "1")
	case etl.Int:
		return pick(r, "", "", "+", "00") + strconv.Itoa(int(r.Uint32()>>(1+r.IntN(31))))
	case etl.Long:
		return strconv.FormatInt(int64(r.Uint64()>>(1+r.IntN(63)))*pick[int64](r, 1, -1), 10)
	case etl.Float, etl.Double:
		return r.float(c.Type == etl.Float)
	case etl.String:
		return pick(r, "a", "", "Ärger", "日本", "x y", "NULL", "?", " ", "0", "tab\there", strings.Repeat("z", r.IntN(40)))
	case etl.Binary:
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if c.Format == "hex" {
			return pick(r, "", "0x", `\x`, "0X") + pick(r, hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)))
		}
		return pick(r, base64.StdEncoding, base64.RawStdEncoding).EncodeToString(b)
	case etl.UUID:
		h := fmt.Sprintf("%016x%016x", r.Uint64(), r.Uint64())
		return pick(r, h, strings.ToUpper(h), h[:8]+"-"+h[8:12]+"-"+h[12:16]+"-"+h[16:20]+"-"+h[20:])
	case etl.Date, etl.Timestamp, etl.TimestampTZ:
		return r.time(c)
	}
	precision, scale, _ := c.Type.DecimalSize()
	text := pick(r, "", "", "-", "+", "0") + fmt.Sprint(1+r.IntN(9)) + strings.Repeat("7", r.IntN(precision-scale))
	if scale > 0 && r.chance(70) {
		return text + "." + fmt.Sprint(r.IntN(10)) + pick(r, "", "0", "00000", "5", "e0", "E-1")
	}
	return text + pick(r, "", "", "", "e0", "E+00", ".")
}

func (r random) float(single bool) string {
	switch r.IntN(6) {
	case 0:
		return pick(r, "NaN", "inf", "-Infinity", "+Inf", "nan", "-0", ".5", "5.", "1e-400", "0e9999", "1e38", "3.4028235e38", "3.4028236e38", "1e-45", "7e-46")
	case 1:
		return strconv.FormatFloat(float64(r.Float32())*pick(r, 1, 1e-38, 1e30, 1e-44), 'g', -1, 64)
	case 2: // just between two floats, or by a hair beside that
		m := uint64(1)<<24 | uint64(r.Uint32()>>8)
		return strconv.FormatUint(2*m+1, 10) + pick(r, "", ".0", ".00000000000000000000001", "e3", "e-12")
	case 3:
		return strconv.FormatFloat(float64(r.Float32()), 'f', r.IntN(20), 32)
	}
	size := 64
	if single {
		size = 32
	}
	return strconv.FormatFloat(r.NormFloat64()*1e3, pick[byte](r, 'g', 'e', 'f'), -1, size)
}

// aroundChange is a time that a zone's clocks show about when they are put forward
// or back, as if it was one in UTC.
func (r random) aroundChange(at time.Time, zone string) time.Time {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		panic(err)
	}
	at = at.In(loc)
	if start, _ := at.ZoneBounds(); !start.IsZero() {
		at = start
	}
	_, east := at.Zone()
	return at.UTC().Add(time.Duration(east)*time.Second + time.Duration(r.IntN(300)-150)*time.Minute)
}

func (r random) time(c etl.Column) string {
	at := time.Unix(r.Int64N(8e9)-4e9, r.Int64N(1e9)).UTC()
	if c.Zone != "" && r.chance(40) {
		at = r.aroundChange(at, c.Zone)
	}
	if c.Format == "" {
		switch c.Type {
		case etl.Date:
			return at.Format(pick(r, "2006-01-02", "2006/01/02"))
		case etl.Timestamp:
			return at.Format(pick(r, "2006-01-02 15:04:05", "2006/01/02T15:04:05.999999999", "2006-01-02t15:04:05.0"))
		}
		return at.Format(pick(r, "2006-01-02 15:04:05", "2006-01-02T15:04:05.999Z", "2006-01-02 15:04:05")) + pick(r, "", "", "")
	}
	layout := pick(r, strings.Split(c.Format, "|")...)
	return at.In(time.FixedZone("", r.IntN(28*4)*900-14*3600)).Format(layout)
}

// nasty is a value that is about one of the column's type.
func (r random) nasty(c etl.Column) string {
	general := []string{
		"", " ", "null", "NULL", "?", "1 ", " 1", "0x10", "1_000", "١٢", "--1", "+-1", "1e5", "1e", "é", "\xff", "a\xc3", "\xed\xa0\x80", "-", "+", ".", "-.", "1.2.3",
		"9223372036854775808", "-9223372036854775808", "-9223372036854775809", "2147483648", "-2147483649", "000000000000000000000000000001",
		"18446744073709551616", "99999999999999999999999999999999999999", "100000000000000000000000000000000000000", "1e1000001", "0e-2000000", "1e-2000000",
		"0.000", "1.005", "123456789.00", "12345678.90", ".5e1", "5.e1", "1E+2", "1e+", "infini", "+nan", "-inf", "1p3", "tRuE", "yes", "T",
		"2024-02-29", "2023-02-29", "2024-2-9", "0000-01-01", "9999-12-31", "2024/02-03", "2024-02-20 11:08:25.1234567890", "2024-02-20 24:00:00", "2024-02-20 11:08:60",
		"2024-02-20T11:08:25.", "2024-02-20T11:08:25+24:00", "2024-02-20T11:08:25+05:4", "2024-02-20T11:08:25z", "2024-02-20T11:08:25+0545", "0001-01-01 00:00:00+14:00",
		"2024-03-10 02:30:00", "2024-11-03 01:30:00", "2024-03-31 01:30:00", "1844-12-31 00:00:01", "2011-12-30 12:00:00", "12 AM", "00:00:00 PM", "jan 2, 2024", "Feb 30, 2024",
		"AAE", "AAE=", "AA==", "A===", "A", "AA=A", "A\nAE=", "AAE\n", "=", "AAF=", "0x", "0xg0", "0x0", "\\x0A", "zz",
		"f47ac10b-58cc-4372-a567-0e02b2c3d479", "f47ac10b58cc4372a5670e02b2c3d479", "f47ac10b-58cc-4372-a567-0e02b2c3d47g", "f47ac10b058cc-4372-a567-0e02b2c3d479", "{f47ac10b58cc4372a5670e02b2c3d4}",
	}
	if r.chance(50) {
		return pick(r, general...)
	}
	text := []byte(r.text(c, 0))
	for range 1 + r.IntN(2) {
		if len(text) == 0 {
			return "x"
		}
		at := r.IntN(len(text))
		switch r.IntN(4) {
		case 0:
			text[at] = pick[byte](r, '0', '9', ':', '-', '.', ' ', 'e', '+', 'Z', '1', ',', 'x', '_')
		case 1:
			text = append(text[:at], text[at+1:]...)
		case 2:
			text = append(text[:at:at], append([]byte{pick[byte](r, '0', ' ', '.', '-', '5', 'T')}, text[at:]...)...)
		case 3:
			text = append(text, pick(r, "0", " ", ".5", ",25", "Z", "+01:00", "PM", "x")...)
		}
	}
	return string(text)
}
