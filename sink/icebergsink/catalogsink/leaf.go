package catalogsink

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// leaf decodes a column chunk batch by batch into memory that is used again:
// for the probe, which looks at each value once, building new arrays would cost
// more than decoding.
type leaf struct {
	typ    arrow.DataType
	levels []int16 // of definition, where the column may have nulls
	valid  []byte
	max    int16
	decode func(n int) (rows int64, values int, err error)
	wrap   func(n, values int, spread bool) []*memory.Buffer
	path   string
}

// leaf opens a column of a row group. It returns nil for types that are
// not worth it and for files that need a conversion; those are read by
// [parquetFile.read].
func (p *parquetFile) leaf(rg int, c readColumn) (*leaf, error) {
	at := p.column(c)
	if at < 0 || !p.direct(at, c) {
		return nil, nil
	}
	chunk, err := p.RowGroup(rg).Column(at)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", p.path, err)
	}
	l := &leaf{typ: c.want, path: p.path, max: chunk.Descriptor().MaxDefinitionLevel()}
	if l.max > 0 {
		l.levels, l.valid = make([]int16, readBatch), make([]byte, readBatch/8)
	}
	switch chunk := chunk.(type) {
	case *file.Int32ColumnChunkReader:
		fixed(l, chunk.ReadBatch, arrow.Int32Traits.CastToBytes)
	case *file.Int64ColumnChunkReader:
		fixed(l, chunk.ReadBatch, arrow.Int64Traits.CastToBytes)
	case *file.ByteArrayColumnChunkReader:
		l.text(chunk)
	default:
		return nil, nil
	}
	return l, nil
}

// direct reports whether the column's values are stored as wanted.
func (p *parquetFile) direct(at int, c readColumn) bool {
	switch c.want.ID() {
	case arrow.INT32, arrow.INT64, arrow.DATE32, arrow.TIMESTAMP, arrow.STRING, arrow.BINARY:
	default:
		return false
	}
	p.once.Do(func() {
		p.types = map[string]arrow.DataType{}
		schema, err := pqarrow.FromParquet(p.MetaData().Schema, nil, nil)
		if err != nil {
			return
		}
		for _, f := range schema.Fields() {
			p.types[f.Name] = f.Type
		}
	})
	typ := p.types[p.MetaData().Schema.Column(at).Name()]
	return typ != nil && arrow.TypeEqual(typ, c.want)
}

// fixed sets l up for values of fixed width.
func fixed[T int32 | int64](l *leaf, read func(int64, []T, []int16, []int16) (int64, int, error), bytes func([]T) []byte) {
	values := make([]T, readBatch)
	l.decode = func(n int) (int64, int, error) { return read(int64(n), values, l.levels, nil) }
	l.wrap = func(n, got int, spread bool) []*memory.Buffer {
		if spread {
			for i, from := n-1, got-1; from >= 0; i-- {
				if l.levels[i] == l.max {
					values[i] = values[from]
					from--
				}
			}
		}
		return []*memory.Buffer{nil, memory.NewBufferBytes(bytes(values[:n]))}
	}
}

// text sets l up for values of variable length.
func (l *leaf) text(chunk *file.ByteArrayColumnChunkReader) {
	values := make([]parquet.ByteArray, readBatch)
	offsets := make([]int32, readBatch+1)
	var data []byte
	l.decode = func(n int) (int64, int, error) { return chunk.ReadBatch(int64(n), values, l.levels, nil) }
	l.wrap = func(n, _ int, spread bool) []*memory.Buffer {
		data = data[:0]
		next := 0
		for i := range n {
			if !spread || l.levels[i] == l.max {
				data = append(data, values[next]...)
				next++
			}
			offsets[i+1] = int32(len(data))
		}
		return []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets[:n+1])), memory.NewBufferBytes(data)}
	}
}

// read decodes the next n rows, at most readBatch. The array is valid until the
// next call.
func (l *leaf) read(n int) (arrow.Array, error) {
	rows, values, err := l.decode(n)
	if err == nil && rows != int64(n) {
		err = fmt.Errorf("column chunk ends after %d of %d rows", rows, n)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.path, err)
	}
	nulls := n - values
	buffers := l.wrap(n, values, nulls > 0)
	if nulls > 0 {
		clear(l.valid)
		for i := range n {
			if l.levels[i] == l.max {
				l.valid[i>>3] |= 1 << (i & 7)
			}
		}
		buffers[0] = memory.NewBufferBytes(l.valid[:(n+7)/8])
	}
	return array.MakeFromData(array.NewData(l.typ, n, buffers, nil, nulls, 0)), nil
}

// scan decodes columns of a row group together and calls each with the position
// of a batch's first row, like [parquetFile.read] where all columns have leaves.
func (p *parquetFile) scan(rg int, leaves []*leaf, each func(pos int64, got []arrow.Array) error) error {
	got := make([]arrow.Array, len(leaves))
	for pos, end := p.first[rg], p.first[rg+1]; pos < end; pos += readBatch {
		n := int(min(readBatch, end-pos))
		for i, l := range leaves {
			a, err := l.read(n)
			if err != nil {
				return err
			}
			got[i] = a
		}
		if err := each(pos, got); err != nil {
			return err
		}
	}
	return nil
}

// leaves opens columns, or returns nil where one of them has no leaf.
func (p *parquetFile) leaves(rg int, cols []readColumn) ([]*leaf, error) {
	out := make([]*leaf, len(cols))
	for i, c := range cols {
		l, err := p.leaf(rg, c)
		if l == nil || err != nil {
			return nil, err
		}
		out[i] = l
	}
	return out, nil
}
