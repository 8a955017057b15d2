package catalogsink

import (
	"cmp"
	"encoding/binary"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"

	"github.com/tidemark-data/etl"
)

// value is a key value in a form that compares like the key: whole numbers,
// dates and timestamps in n, everything else as bytes.
type value struct {
	n int64
	s string
}

func (v value) compare(o value) int {
	if c := cmp.Compare(v.n, o.n); c != 0 {
		return c
	}
	return strings.Compare(v.s, o.s)
}

// decimalBytes orders decimals as bytes.
func decimalBytes(d decimal128.Num) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(d.HighBits())^1<<63)
	binary.BigEndian.PutUint64(b[8:], d.LowBits())
	return string(b[:])
}

// valuesOf returns an accessor to a key column, or nil for types without one.
func valuesOf(a arrow.Array) func(i int) value {
	switch a := a.(type) {
	case *array.Int32:
		return func(i int) value { return value{n: int64(a.Value(i))} }
	case *array.Int64:
		return func(i int) value { return value{n: a.Value(i)} }
	case *array.Date32:
		return func(i int) value { return value{n: int64(a.Value(i))} }
	case *array.Timestamp:
		return func(i int) value { return value{n: int64(a.Value(i))} }
	case *array.String:
		return func(i int) value { return value{s: a.Value(i)} }
	case *array.Binary:
		return func(i int) value { return value{s: string(a.Value(i))} }
	case *array.Decimal128:
		return func(i int) value { return value{s: decimalBytes(a.Value(i))} }
	case *extensions.UUIDArray:
		ids := a.Storage().(*array.FixedSizeBinary)
		return func(i int) value { return value{s: string(ids.Value(i))} }
	}
	return nil
}

// span is what is known of the values of one key column of a part.
type span struct {
	id       int // field id
	typ      etl.Type
	name     string
	min, max value
	// grid marks, for whole numbers, which of many equal slices of min..max hold a
	// key, so that files, row groups and rows between the keys are passed over.
	grid  bits
	shift uint
	known bool
}

// A grid has 64 slices for each key, within these bounds: the largest still fits
// the second cache of a core.
const (
	leastGrid = 1 << 16
	mostGrid  = 1 << 20
)

func spansOf(keys arrow.RecordBatch, target etl.Target, ids []int) []span {
	out := make([]span, len(ids))
	for c := range out {
		col := target.Columns[target.Columns.Index(target.Key[c])]
		out[c] = span{id: ids[c], typ: col.Type, name: col.Name}
		out[c].measure(keys.Column(c))
	}
	return out
}

func (s *span) measure(a arrow.Array) {
	switch a := a.(type) {
	case *array.Int32:
		measure(s, a.Int32Values())
		return
	case *array.Int64:
		measure(s, a.Int64Values())
		return
	case *array.Date32:
		measure(s, a.Date32Values())
		return
	case *array.Timestamp:
		measure(s, a.TimestampValues())
		return
	}
	at := valuesOf(a)
	if at == nil || a.Len() == 0 {
		return
	}
	s.known, s.min, s.max = true, at(0), at(0)
	for i := 1; i < a.Len(); i++ {
		v := at(i)
		if v.compare(s.min) < 0 {
			s.min = v
		}
		if v.compare(s.max) > 0 {
			s.max = v
		}
	}
}

// measure is the same for whole numbers, of which it makes a grid.
func measure[T ~int32 | ~int64](s *span, values []T) {
	if len(values) == 0 {
		return
	}
	lo, hi := values[0], values[0]
	for _, v := range values {
		lo, hi = min(lo, v), max(hi, v)
	}
	s.known, s.min.n, s.max.n = true, int64(lo), int64(hi)
	width := uint64(hi) - uint64(lo)
	if width == 0 {
		return
	}
	size := uint64(leastGrid)
	for size < mostGrid && size < 64*uint64(len(values)) {
		size *= 2
	}
	for width>>s.shift >= size {
		s.shift++
	}
	s.grid = newBits(int64(width>>s.shift) + 1)
	for _, v := range values {
		s.grid.set(s.slice(int64(v)))
	}
}

func (s *span) slice(n int64) int64 { return int64((uint64(n) - uint64(s.min.n)) >> s.shift) }

// meets reports whether a key may lie in lo..hi.
func (s *span) meets(lo, hi value) bool {
	if !s.known || lo.compare(hi) > 0 { // bounds that contradict themselves tell nothing
		return true
	}
	if hi.compare(s.min) < 0 || lo.compare(s.max) > 0 {
		return false
	}
	if s.grid == nil {
		return true
	}
	from, to := s.slice(max(lo.n, s.min.n)), s.slice(min(hi.n, s.max.n))
	for i := from; i <= to; i++ {
		if s.grid[i>>6] == 0 {
			i |= 63
			continue
		}
		if s.grid.has(i) {
			return true
		}
	}
	return false
}

// inFile prunes by the bounds in the manifest (Iceberg spec, "lower_bounds").
func (s *span) inFile(df iceberg.DataFile) bool {
	typ, err := icebergType(s.typ)
	if err != nil {
		return true
	}
	lo, ok1 := fromLiteral(typ, df.LowerBoundValues()[s.id])
	hi, ok2 := fromLiteral(typ, df.UpperBoundValues()[s.id])
	return !ok1 || !ok2 || s.meets(lo, hi)
}

func fromLiteral(typ iceberg.Type, raw []byte) (value, bool) {
	if raw == nil {
		return value{}, false
	}
	if len(raw) == 4 && typ.Equals(iceberg.PrimitiveTypes.Int64) {
		typ = iceberg.PrimitiveTypes.Int32 // the file was written before the column became wider
	}
	lit, err := iceberg.LiteralFromBytes(typ, raw)
	if err != nil {
		return value{}, false
	}
	switch v := lit.(type) {
	case iceberg.Int32Literal:
		return value{n: int64(v)}, true
	case iceberg.Int64Literal:
		return value{n: int64(v)}, true
	case iceberg.DateLiteral:
		return value{n: int64(v)}, true
	case iceberg.TimestampLiteral:
		return value{n: int64(v)}, true
	case iceberg.StringLiteral:
		return value{s: string(v)}, true
	case iceberg.BinaryLiteral:
		return value{s: string(v)}, true
	case iceberg.UUIDLiteral:
		return value{s: string(v[:])}, true
	case iceberg.DecimalLiteral:
		return value{s: decimalBytes(v.Val)}, true
	}
	return value{}, false
}

// inRowGroup prunes by the statistics of a column chunk.
func (s *span) inRowGroup(chunk *metadata.ColumnChunkMetaData, col *schema.Column) bool {
	if set, err := chunk.StatsSet(); err != nil || !set {
		return true
	}
	stats, err := chunk.Statistics()
	if err != nil || stats == nil || !stats.HasMinMax() {
		return true
	}
	if s.typ == etl.Timestamp || s.typ == etl.TimestampTZ {
		t, ok := col.LogicalType().(schema.TimestampLogicalType)
		if !ok || t.TimeUnit() != schema.TimeUnitMicros {
			return true
		}
	}
	_, _, decimal := s.typ.DecimalSize()
	lo, hi, ok := fromStats(stats, decimal)
	return !ok || s.meets(lo, hi)
}

func fromStats(stats metadata.TypedStatistics, decimal bool) (lo, hi value, ok bool) {
	whole := func(n int64) value {
		if decimal {
			return value{s: decimalBytes(decimal128.FromI64(n))}
		}
		return value{n: n}
	}
	text := func(b []byte) value {
		if decimal {
			return value{s: decimalBytes(bigEndian(b))}
		}
		return value{s: string(b)}
	}
	switch st := stats.(type) {
	case *metadata.Int32Statistics:
		return whole(int64(st.Min())), whole(int64(st.Max())), true
	case *metadata.Int64Statistics:
		return whole(st.Min()), whole(st.Max()), true
	case *metadata.ByteArrayStatistics:
		return text(st.Min()), text(st.Max()), true
	case *metadata.FixedLenByteArrayStatistics:
		return text(st.Min()), text(st.Max()), st.Type() == parquet.Types.FixedLenByteArray
	}
	return value{}, value{}, false
}

// bigEndian reads a two's complement number of up to 16 bytes.
func bigEndian(b []byte) decimal128.Num {
	var full [16]byte
	if len(b) > 0 && b[0]&0x80 != 0 {
		for i := range full {
			full[i] = 0xff
		}
	}
	if len(b) <= 16 {
		copy(full[16-len(b):], b)
	}
	return decimal128.New(int64(binary.BigEndian.Uint64(full[:8])), binary.BigEndian.Uint64(full[8:]))
}
