package pages

import (
	"encoding/binary"
	"fmt"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/parquet"
)

// source is what a column is written from: the buffers of an Arrow array.
type source struct {
	bits    []byte // validity; nil without nulls
	bit     int    // of row 0, in bits and in flags
	width   int
	values  []byte           // of fixed width, or the bytes of byte arrays
	offsets []int32          // of byte arrays
	wide    []int64          // of large ones
	flags   []byte           // booleans
	nums    []decimal128.Num // to be stored as kind
	digits  int32
	kind    parquet.Type
}

// source refuses arrays of another kind than the column's.
func (c *column) source(arr arrow.Array) (s source, err error) {
	if ext, ok := arr.(array.ExtensionArray); ok {
		arr = ext.Storage()
	}
	s = source{width: c.width, kind: c.desc.PhysicalType()}
	d := arr.Data()
	s.bit = d.Offset()
	if arr.NullN() > 0 {
		s.bits = arr.NullBitmapBytes()
	}
	if arr.Len() == 0 {
		return s, nil
	}
	var bufs [3][]byte
	for i, b := range d.Buffers() {
		if b != nil && i < len(bufs) {
			bufs[i] = b.Bytes()
		}
	}
	switch t := arr.(type) {
	case *array.Boolean:
		s.flags = bufs[1]
		err = c.want(arr, parquet.Types.Boolean)
	case *array.Int32, *array.Date32, *array.Time32:
		err = c.want(arr, parquet.Types.Int32)
	case *array.Float32:
		err = c.want(arr, parquet.Types.Float)
	case *array.Int64, *array.Timestamp, *array.Time64:
		err = c.want(arr, parquet.Types.Int64)
	case *array.Float64:
		err = c.want(arr, parquet.Types.Double)
	case *array.FixedSizeBinary:
		err = c.want(arr, parquet.Types.FixedLenByteArray)
		if w := t.DataType().(*arrow.FixedSizeBinaryType).ByteWidth; err == nil && w != c.width {
			err = fmt.Errorf("%w: an array of %d bytes a value, expected %d", ErrRefused, w, c.width)
		}
	case *array.Decimal128:
		s.nums = arrow.Decimal128Traits.CastFromBytes(bufs[1])[s.bit:]
		s.digits = t.DataType().(*arrow.Decimal128Type).Precision
		if s.kind != parquet.Types.Int32 && s.kind != parquet.Types.Int64 {
			err = c.want(arr, parquet.Types.FixedLenByteArray)
		}
		return s, err
	case *array.String, *array.Binary:
		s.values, s.offsets = bufs[2], arrow.Int32Traits.CastFromBytes(bufs[1])[s.bit:]
		return s, c.want(arr, parquet.Types.ByteArray)
	case *array.LargeString, *array.LargeBinary:
		s.values, s.wide = bufs[2], arrow.Int64Traits.CastFromBytes(bufs[1])[s.bit:]
		return s, c.want(arr, parquet.Types.ByteArray)
	default:
		err = c.want(arr, -1)
	}
	if err == nil && c.width > 0 {
		s.values = bufs[1][s.bit*c.width:]
	}
	return s, err
}

func (c *column) want(arr arrow.Array, kind parquet.Type) error {
	if c.desc.PhysicalType() != kind {
		return fmt.Errorf("%w: an array of %v as %v", ErrRefused, arr.DataType(), c.desc.PhysicalType())
	}
	return nil
}

func (s *source) nulls(from, to int) int {
	if s.bits == nil {
		return 0
	}
	return to - from - countBits(s.bits, s.bit+from, to-from)
}

// fit returns how many of the rows from to to fit into room bytes, one at
// least, and how many bytes they take in PLAIN, nulls included.
func (s *source) fit(from, to, room int) (rows, bytes int) {
	rows = to - from
	switch {
	case s.offsets != nil:
		base := int(s.offsets[from])
		return fitTexts(rows, room, func(n int) int { return int(s.offsets[from+n]) - base })
	case s.wide != nil:
		base := s.wide[from]
		return fitTexts(rows, room, func(n int) int { return int(s.wide[from+n] - base) })
	case s.width > 0:
		rows = max(1, min(rows, (room+s.width-1)/s.width))
		return rows, rows * s.width
	}
	rows = max(1, min(rows, room*8))
	return rows, (rows + 7) / 8
}

func fitTexts(rows, room int, size func(n int) int) (int, int) {
	if size(rows)+4*rows > room {
		rows = max(1, sort.Search(rows, func(n int) bool { return size(n+1)+4*(n+1) > room }))
	}
	return rows, size(rows) + 4*rows
}

// fixed returns the values of rows in PLAIN, without the nulls. They are valid
// until the next call.
func (s *source) fixed(t *tools, from, to int) ([]byte, error) {
	if s.nums != nil {
		return s.decimals(t, from, to)
	}
	if s.bits == nil {
		return s.values[from*s.width : to*s.width], nil
	}
	t.raw = t.raw[:0]
	for at := from; ; {
		start, end := nextRun(s.bits, s.bit, at, to)
		if start == end {
			return t.raw, nil
		}
		t.raw = append(t.raw, s.values[start*s.width:end*s.width]...)
		at = end
	}
}

// decimals are stored as int32, int64 or big-endian bytes (Iceberg spec,
// "Parquet").
func (s *source) decimals(t *tools, from, to int) ([]byte, error) {
	t.raw = t.raw[:0]
	for at := from; at < to; {
		start, end := at, to
		if s.bits != nil {
			if start, end = nextRun(s.bits, s.bit, at, to); start == end {
				break
			}
		}
		nums := s.nums[start:end]
		var ok bool
		switch s.kind {
		case parquet.Types.Int32:
			t.raw, ok = appendNums32(t.raw, nums)
		case parquet.Types.Int64:
			t.raw, ok = appendNums64(t.raw, nums)
		default:
			t.raw, ok = appendNums(t.raw, nums, s.width, s.digits)
		}
		if !ok {
			return nil, fmt.Errorf("%w: a decimal has more digits than its type allows", ErrRefused)
		}
		at = end
	}
	return t.raw, nil
}

func appendNums32(dst []byte, nums []decimal128.Num) ([]byte, bool) {
	for _, n := range nums {
		v := int64(n.LowBits())
		if n.HighBits() != v>>63 || v != int64(int32(v)) {
			return dst, false
		}
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	return dst, true
}

func appendNums64(dst []byte, nums []decimal128.Num) ([]byte, bool) {
	for _, n := range nums {
		v := int64(n.LowBits())
		if n.HighBits() != v>>63 {
			return dst, false
		}
		dst = binary.LittleEndian.AppendUint64(dst, uint64(v))
	}
	return dst, true
}

func appendNums(dst []byte, nums []decimal128.Num, width int, digits int32) ([]byte, bool) {
	var buf [16]byte
	if width > len(buf) {
		return dst, false
	}
	for _, n := range nums {
		if !n.FitsInPrecision(min(digits, decimal128.MaxPrecision)) {
			return dst, false
		}
		binary.BigEndian.PutUint64(buf[:], uint64(n.HighBits()))
		binary.BigEndian.PutUint64(buf[8:], n.LowBits())
		dst = append(dst, buf[16-width:]...)
	}
	return dst, true
}
