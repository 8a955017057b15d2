package transform

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/celltext"
)

// The canonical text of a value is what [Cast] to string, [Tokenize] and
// [HashJoin] make of it:
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

// texter appends the canonical text of value i, or returns the rule that the
// value violates.
type texter = celltext.Texter

func texterOf(col arrow.Array) (texter, error) { return celltext.Of(col) }

// AppendDouble appends the canonical text of a double, or returns the rule that
// it violates.
func AppendDouble(dst []byte, v float64) ([]byte, string) { return celltext.Double(dst, v) }

func appendTime(dst []byte, t time.Time, layout string) ([]byte, string) {
	return celltext.Time(dst, t, layout)
}

func appendMicros(dst []byte, n int64, zone bool) ([]byte, string) {
	return celltext.Micros(dst, n, zone)
}
