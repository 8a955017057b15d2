// Package celltext writes the canonical text of values.
package celltext

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// The canonical text of a value is what casts to string, tokens and hashes are made
// of, and what goes to columns for values that the declared one cannot take:
//
//   - bool: true or false
//   - int, long: decimal digits, with "-" where negative
//   - float, double: as Number::toString of ECMA-262 (which RFC 8785 takes over),
//     a float after it was widened; NaN and infinities violate "not a finite number"
//   - decimal(p,s): all s digits behind the point, at least one before it
//   - date: 2006-01-02; timestamp: 2006-01-02T15:04:05, and six more digits behind
//     a point where the microseconds are not zero; timestamptz: the same in UTC,
//     and Z. Years beyond 0001 to 9999 violate "year is not 1 to 9999"
//   - binary: base64 with padding (RFC 4648, section 4)
//   - uuid: in lower case, in groups (RFC 9562)
//   - string: itself

// Texter appends the canonical text of value i, or returns the rule that the
// value violates.
type Texter func(dst []byte, i int) ([]byte, string)

// Of returns the texter of a column.
func Of(col arrow.Array) (Texter, error) {
	switch a := col.(type) {
	case *array.String:
		return func(dst []byte, i int) ([]byte, string) { return append(dst, a.Value(i)...), "" }, nil
	case *array.Boolean:
		return func(dst []byte, i int) ([]byte, string) { return strconv.AppendBool(dst, a.Value(i)), "" }, nil
	case *array.Int32:
		return func(dst []byte, i int) ([]byte, string) { return strconv.AppendInt(dst, int64(a.Value(i)), 10), "" }, nil
	case *array.Int64:
		return func(dst []byte, i int) ([]byte, string) { return strconv.AppendInt(dst, a.Value(i), 10), "" }, nil
	case *array.Float32:
		return func(dst []byte, i int) ([]byte, string) { return Double(dst, float64(a.Value(i))) }, nil
	case *array.Float64:
		return func(dst []byte, i int) ([]byte, string) { return Double(dst, a.Value(i)) }, nil
	case *array.Decimal128:
		scale := int(a.DataType().(*arrow.Decimal128Type).Scale)
		return func(dst []byte, i int) ([]byte, string) {
			return decimal(dst, a.Value(i).BigInt().Append(nil, 10), scale), ""
		}, nil
	case *array.Date32:
		return func(dst []byte, i int) ([]byte, string) { return Time(dst, a.Value(i).ToTime(), time.DateOnly) }, nil
	case *array.Timestamp:
		zone := a.DataType().(*arrow.TimestampType).TimeZone != ""
		return func(dst []byte, i int) ([]byte, string) { return Micros(dst, int64(a.Value(i)), zone) }, nil
	case *array.Binary:
		return func(dst []byte, i int) ([]byte, string) { return base64.StdEncoding.AppendEncode(dst, a.Value(i)), "" }, nil
	case *extensions.UUIDArray:
		raw := a.Storage().(*array.FixedSizeBinary)
		return func(dst []byte, i int) ([]byte, string) { return uuid(dst, raw.Value(i)), "" }, nil
	}
	return nil, fmt.Errorf("values of type %v have no text", col.DataType())
}

// Double appends the canonical text of a double, or returns the rule that
// it violates.
func Double(dst []byte, v float64) ([]byte, string) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return dst, "not a finite number"
	case v == 0:
		return append(dst, '0'), ""
	}
	if abs := math.Abs(v); abs >= 1e-6 && abs < 1e21 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64), ""
	}
	at := len(dst)
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	if n := len(dst); dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') && n-at > 3 {
		dst = append(dst[:n-2], dst[n-1]) // e-07 is e-7
	}
	return dst, ""
}

// decimal sets the point into the digits of an unscaled value.
func decimal(dst, digits []byte, scale int) []byte {
	if digits[0] == '-' {
		dst, digits = append(dst, '-'), digits[1:]
	}
	if scale == 0 {
		return append(dst, digits...)
	}
	point := len(digits) - scale
	if point <= 0 {
		dst = append(dst, '0', '.')
		for ; point < 0; point++ {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:point]...)
	return append(append(dst, '.'), digits[point:]...)
}

// Time appends a moment in a layout of package time.
func Time(dst []byte, t time.Time, layout string) ([]byte, string) {
	if y := t.Year(); y < 1 || y > 9999 {
		return dst, "year is not 1 to 9999"
	}
	return t.AppendFormat(dst, layout), ""
}

// Micros appends a number of microseconds since 1970, in UTC.
func Micros(dst []byte, n int64, zone bool) ([]byte, string) {
	layout := "2006-01-02T15:04:05"
	if n%1e6 != 0 {
		layout += ".000000"
	}
	if zone {
		layout += "Z"
	}
	return Time(dst, time.UnixMicro(n).UTC(), layout)
}

func uuid(dst, raw []byte) []byte {
	for i := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, raw[i:i+1])
	}
	return dst
}
