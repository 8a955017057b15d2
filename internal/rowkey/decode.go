package rowkey

import (
	"bytes"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Columns returns the table's tuples as columns of the codec's types, in the
// order of their numbers. Floats come back as they compare, with one zero and
// one NaN.
func (t *Table) Columns(c *Codec) []arrow.Array {
	if len(c.types) == 1 && t.form == Word && c.types[0].ID() != arrow.BOOL && c.types[0].ID() != arrow.FLOAT32 &&
		c.types[0].ID() != arrow.FLOAT64 && c.types[0].ID() != arrow.FIXED_SIZE_BINARY && c.types[0].ID() != arrow.EXTENSION {
		return []arrow.Array{t.loneWords(c.types[0])}
	}
	builders := make([]array.Builder, len(c.types))
	for i, dt := range c.types {
		builders[i] = array.NewBuilder(memory.DefaultAllocator, dt)
		defer builders[i].Release()
		builders[i].Reserve(t.n)
	}
	var buf []byte
	for n := range t.n {
		buf = t.Append(buf[:0], n)
		rest := buf
		for i, w := range c.widths {
			rest = decode(builders[i], rest, w)
		}
	}
	cols := make([]arrow.Array, len(builders))
	for i, b := range builders {
		cols[i] = b.NewArray()
	}
	return cols
}

// loneWords is the fast way for a lone column of 4 or 8 bytes.
func (t *Table) loneWords(dt arrow.DataType) arrow.Array {
	var data []byte
	switch dt.ID() {
	case arrow.INT32:
		ints := make([]int32, t.n)
		for i, w := range t.words {
			ints[i] = int32(w ^ 1<<63)
		}
		data = arrow.GetBytes(ints)
	case arrow.DATE32:
		days := make([]int32, t.n)
		for i, w := range t.words {
			days[i] = int32(uint32(w) ^ 1<<31)
		}
		data = arrow.GetBytes(days)
	default:
		longs := make([]int64, t.n)
		for i, w := range t.words {
			longs[i] = int64(w ^ 1<<63)
		}
		data = arrow.GetBytes(longs)
	}
	d := array.NewData(dt, t.n, []*memory.Buffer{nil, memory.NewBufferBytes(data)}, nil, 0, 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// decode appends the value at the start of b and returns what follows it.
func decode(to array.Builder, b []byte, width int) []byte {
	if e, ok := to.(interface{ StorageBuilder() array.Builder }); ok {
		return decode(e.StorageBuilder(), b, width)
	}
	if width == 0 {
		return decodeText(to, b)
	}
	w := word(b[max(0, width-8):width])
	switch to := to.(type) {
	case *array.BooleanBuilder:
		to.Append(w != 0)
	case *array.Int32Builder:
		to.Append(int32(w ^ 1<<63))
	case *array.Date32Builder:
		to.Append(arrow.Date32(uint32(w) ^ 1<<31))
	case *array.Int64Builder:
		to.Append(int64(w ^ 1<<63))
	case *array.TimestampBuilder:
		to.Append(arrow.Timestamp(w ^ 1<<63))
	case *array.Float32Builder:
		to.Append(float32(floatOf(w)))
	case *array.Float64Builder:
		to.Append(floatOf(w))
	case *array.Decimal128Builder:
		to.Append(decimal128.New(int64(word(b[:8])^1<<63), w))
	case *array.FixedSizeBinaryBuilder:
		to.Append(b[:width])
	}
	return b[width:]
}

func decodeText(to array.Builder, b []byte) []byte {
	var text []byte
	for end := 0; ; end += 2 {
		end += bytes.IndexByte(b[end:], 0)
		if b[end+1] == 1 {
			text, b = b[:end], b[end+2:]
			break
		}
	}
	text = bytes.ReplaceAll(text, []byte{0, 0xff}, []byte{0})
	switch to := to.(type) {
	case *array.StringBuilder:
		to.Append(string(text))
	case *array.LargeStringBuilder:
		to.Append(string(text))
	case *array.BinaryBuilder:
		to.Append(text)
	}
	return b
}
