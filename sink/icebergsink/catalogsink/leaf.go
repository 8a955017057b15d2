package catalogsink

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/tidemark-data/etl/internal/pages"
)

// leaf decodes a column chunk page by page into memory that is used again: for
// the probe, which looks at each value once, building new arrays would cost more
// than decoding. Leaves are kept from chunk to chunk.
type leaf struct {
	pages.Reader
	typ   arrow.DataType
	width int // bytes of a value, 0 if it varies
	path  string
	page  *pages.Page

	values  []byte
	offsets []int32
	data    []byte
	dict    []byte  // texts of the dictionary,
	terms   []int32 // where they begin, and where the last one ends
}

// leaves opens columns of a row group for reading with the leaves in have, to
// which it adds what is missing. It returns nil where a column is of a type that
// is not worth it or is stored in another way than wanted; such columns are read
// by [parquetFile.read]. So they are if a leaf returns [pages.ErrForeign].
func (p *parquetFile) leaves(rg int, cols []readColumn, have *[]*leaf) ([]*leaf, error) {
	for len(*have) < len(cols) {
		*have = append(*have, &leaf{})
	}
	out := (*have)[:len(cols)]
	for i, c := range cols {
		chunk, ok, err := p.chunk(rg, c)
		if err != nil || !ok {
			return nil, err
		}
		if err := out[i].open(p, c, chunk); err != nil {
			if errors.Is(err, pages.ErrForeign) {
				return nil, nil
			}
			return nil, err
		}
	}
	return out, nil
}

// chunk describes a column of a row group, if its values are stored as wanted.
func (p *parquetFile) chunk(rg int, c readColumn) (pages.Extent, bool, error) {
	at := p.column(c)
	if at < 0 || !p.direct(at, c) {
		return pages.Extent{}, false, nil
	}
	meta, err := p.MetaData().RowGroup(rg).ColumnChunk(at)
	if err != nil {
		return pages.Extent{}, false, fmt.Errorf("read %s: %w", p.path, err)
	}
	chunk, ok := p.pagesOf(rg, at, meta)
	return chunk, ok, nil
}

// pagesOf says where the pages of a flat column chunk are.
func (p *parquetFile) pagesOf(rg, at int, meta *metadata.ColumnChunkMetaData) (pages.Extent, bool) {
	col := p.MetaData().Schema.Column(at)
	rows := p.first[rg+1] - p.first[rg]
	if len(col.ColumnPath()) != 1 || col.MaxRepetitionLevel() > 0 || col.MaxDefinitionLevel() > 1 || meta.NumValues() != rows ||
		col.PhysicalType() == parquet.Types.FixedLenByteArray && col.TypeLength() <= 0 ||
		meta.CryptoMetadata() != nil || meta.FilePath() != "" || p.MetaData().WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
		return pages.Extent{}, false
	}
	from := meta.DataPageOffset()
	if dict := meta.DictionaryPageOffset(); meta.HasDictionaryPage() && dict > 0 && dict < from {
		from = dict
	}
	return pages.Extent{
		Offset: from, Length: meta.TotalCompressedSize(), Rows: rows, Codec: meta.Compression(),
		Type: col.PhysicalType(), Width: widthOf(col.PhysicalType(), col.TypeLength()), Optional: col.MaxDefinitionLevel() > 0,
	}, true
}

func widthOf(t parquet.Type, length int) int {
	switch t {
	case parquet.Types.Int32, parquet.Types.Float:
		return 4
	case parquet.Types.Int64, parquet.Types.Double:
		return 8
	case parquet.Types.Int96:
		return 12
	case parquet.Types.FixedLenByteArray:
		return length
	}
	return 0
}

// direct reports whether the column's values are stored as wanted.
func (p *parquetFile) direct(at int, c readColumn) bool {
	want := c.want
	switch want.ID() {
	case arrow.INT32, arrow.INT64, arrow.DATE32, arrow.TIMESTAMP, arrow.STRING, arrow.BINARY:
	case arrow.EXTENSION: // UUID
		width, ok := want.(arrow.ExtensionType).StorageType().(*arrow.FixedSizeBinaryType)
		col := p.MetaData().Schema.Column(at)
		return ok && col.PhysicalType() == parquet.Types.FixedLenByteArray && col.TypeLength() == width.ByteWidth
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
	return typ != nil && arrow.TypeEqual(typ, want)
}

func (l *leaf) open(p *parquetFile, c readColumn, chunk pages.Extent) error {
	l.typ, l.width, l.path, l.terms = c.want, chunk.Width, p.path, l.terms[:0]
	if err := l.Open(p.in, p.MetaData().GetSourceFileSize(), chunk); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *leaf) fail(err error) error { return fmt.Errorf("read %s: %w", l.path, err) }

// some moves on to the next page if nothing is left of this one, and tells how
// many rows are left.
func (l *leaf) some() (int, error) {
	for l.Left() == 0 {
		var err error
		if l.page, err = l.Next(); errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, l.fail(err)
		}
	}
	return l.Left(), nil
}

// coded reports whether the page holds entries of the dictionary.
func (l *leaf) coded() bool { return l.page.Coded() }

func (l *leaf) skip(n int) error {
	if err := l.Skip(n); err != nil {
		return l.fail(err)
	}
	return nil
}

// read decodes the next n rows of the page. The array is valid until the next call.
func (l *leaf) read(n int) (arrow.Array, error) {
	b, err := l.Take(n)
	if err != nil {
		return nil, l.fail(err)
	}
	a, err := l.array(b)
	if err != nil {
		return nil, l.fail(err)
	}
	return a, nil
}

func (l *leaf) array(b pages.Batch) (arrow.Array, error) {
	buffers := []*memory.Buffer{nil}
	if b.Nulls > 0 {
		buffers[0] = memory.NewBufferBytes(b.Valid)
	}
	if l.width == 0 {
		if err := l.texts(b); err != nil {
			return nil, err
		}
		buffers = append(buffers, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(l.offsets)), memory.NewBufferBytes(l.data))
	} else {
		buffers = append(buffers, memory.NewBufferBytes(l.fixed(b)))
	}
	return wrapped(l.typ, b.Rows, b.Nulls, buffers), nil
}

func wrapped(typ arrow.DataType, n, nulls int, buffers []*memory.Buffer) arrow.Array {
	if ext, ok := typ.(arrow.ExtensionType); ok {
		data := array.NewData(ext.StorageType(), n, buffers, nil, nulls, 0)
		return array.NewExtensionArrayWithStorage(ext, array.MakeFromData(data))
	}
	return array.MakeFromData(array.NewData(typ, n, buffers, nil, nulls, 0))
}

// scan decodes columns of a row group together and calls each with the position
// of a batch's first row, like [parquetFile.read] where all columns have leaves.
// Batches end where a page of one of the columns does. Those that want says no
// to are passed over; nil wants all.
func (p *parquetFile) scan(rg int, leaves []*leaf, want func(pos int64, n int) bool, each func(pos int64, got []arrow.Array) error) error {
	got := make([]arrow.Array, len(leaves))
	for pos, end := p.first[rg], p.first[rg+1]; pos < end; {
		n, err := together(leaves, end-pos)
		if err != nil {
			return err
		}
		if want != nil && want(pos, n) {
			n = min(n, readBatch)
		}
		if want != nil && !want(pos, n) {
			for _, l := range leaves {
				if err := l.skip(n); err != nil {
					return err
				}
			}
			pos += int64(n)
			continue
		}
		n = min(n, readBatch)
		for i, l := range leaves {
			if got[i], err = l.read(n); err != nil {
				return err
			}
		}
		if err := each(pos, got); err != nil {
			return err
		}
		pos += int64(n)
	}
	return nil
}

// together is how many rows can be read of all leaves without passing the end of
// a page.
func together(leaves []*leaf, most int64) (int, error) {
	for _, l := range leaves {
		n, err := l.some()
		if err != nil {
			return 0, err
		}
		most = min(most, int64(n))
	}
	return int(most), nil
}
