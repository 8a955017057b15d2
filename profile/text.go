package profile

import (
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// maxText is how many bytes of a value are kept.
const maxText = 256

// text is a value as people write it: times in UTC, binary in hexadecimal.
func text(col arrow.Array, row int) *string {
	s := ""
	switch a := col.(type) {
	case *array.Timestamp:
		s = a.Value(row).ToTime(a.DataType().(*arrow.TimestampType).Unit).UTC().Format("2006-01-02 15:04:05.999999")
	case *array.Date32:
		s = a.Value(row).ToTime().UTC().Format("2006-01-02")
	case *array.Binary:
		s = hex.EncodeToString(a.Value(row)[:min(len(a.Value(row)), maxText/2)])
	case *array.Float32:
		s = strconv.FormatFloat(float64(a.Value(row)), 'g', -1, 32)
	case *array.Float64:
		s = strconv.FormatFloat(a.Value(row), 'g', -1, 64)
	case *array.Decimal128:
		s = a.Value(row).ToString(a.DataType().(*arrow.Decimal128Type).Scale)
	case *extensions.UUIDArray:
		s = a.Value(row).String()
	case *array.String:
		s = cut(a.Value(row))
	default:
		s = a.ValueStr(row)
	}
	return &s
}

// cut shortens text at the end of a letter. What is kept does not hold on to the rest.
func cut(s string) string {
	if len(s) <= maxText {
		return string([]byte(s))
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return string([]byte(s[:end]))
}
