package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Filter takes rows out of column chunks. Pages that lose no row stay as they
// are; of the others the values are moved together, neither decoded nor encoded
// anew. Its memory is used again. It is not safe for concurrent use.
type Filter struct {
	reader Reader
	tools  tools
	keep   []byte // bits of the row group's rows; nil keeps all
	desc   *schema.Column

	body  []byte // of the page that is put together
	valid []byte
	gone  []byte // values removed, PLAIN
	index []uint32
	tally filterTally
}

// Filtered is a column chunk that is ready to be written.
type Filtered struct {
	Codec compress.Compression
	Stats Stats
	pages []filteredPage
	bytes []byte
}

// filteredPage is a page of which the body begins at from and ends where the
// next one begins.
type filteredPage struct {
	header Header
	from   int
}

// WriteTo writes the chunk's pages and closes w.
func (c *Filtered) WriteTo(w *ChunkWriter) error {
	for i, p := range c.pages {
		end := len(c.bytes)
		if i+1 < len(c.pages) {
			end = c.pages[i+1].from
		}
		if err := w.Page(p.header, c.bytes[p.from:end]); err != nil {
			return err
		}
	}
	return w.Close(c.Stats)
}

func (c *Filtered) add(h Header, body []byte) {
	c.pages = append(c.pages, filteredPage{h, len(c.bytes)})
	c.bytes = append(c.bytes, body...)
}

// Chunk reads the column chunk at e of src, which has size bytes, and makes out
// hold what is left of it: keep has a bit for each row of the chunk, nil keeps
// all. One row at least must be left. stats are the chunk's statistics; if they
// are true, so are those of out. It returns ErrForeign or ErrCorrupt, wrapped,
// or what reading returned.
func (f *Filter) Chunk(out *Filtered, src io.ReaderAt, size int64, e Extent, desc *schema.Column, keep []byte, stats Stats) error {
	out.Codec, out.pages = e.Codec, out.pages[:0]
	out.bytes = out.bytes[:0]
	if keep != nil && int64(len(keep)) != (e.Rows+7)/8 {
		return fmt.Errorf("%w: row group has another number of rows", ErrCorrupt)
	}
	if keep != nil && e.Optional && !stats.HasNulls {
		return fmt.Errorf("%w: nulls are not counted", ErrForeign)
	}
	if keep != nil && !ordered(desc) {
		return fmt.Errorf("%w: order of %v", ErrForeign, desc.PhysicalType())
	}
	if err := f.reader.Open(src, size, e); err != nil {
		return err
	}
	out.bytes = slices.Grow(out.bytes, int(e.Length)) // not more than the file has
	f.keep, f.desc = keep, desc
	f.tally.begin(desc, stats, e.Inexact)
	err := f.pages(out)
	if err != nil {
		return err
	}
	out.Stats = stats
	if keep == nil {
		return nil
	}
	f.tally.entries(f.reader.dict.plain, e.Width)
	if f.tally.incomplete() {
		if err := f.recount(src, size, e); err != nil {
			return err
		}
	}
	out.Stats, err = f.tally.stats(e.Optional)
	return err
}

// ordered reports whether bounds of the column's values are found here as its
// type orders them.
func ordered(desc *schema.Column) bool {
	switch desc.PhysicalType() {
	case parquet.Types.Int96:
		return false
	case parquet.Types.Int32, parquet.Types.Int64:
		return desc.SortOrder() == schema.SortSIGNED
	case parquet.Types.ByteArray:
		return desc.SortOrder() == schema.SortUNSIGNED
	}
	return true
}

func (f *Filter) pages(out *Filtered) error {
	r := &f.reader
	for first := true; ; first = false {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if first && r.dict.there {
			out.add(r.dict.header, r.dict.raw[r.dict.head:])
		}
		kept := p.Rows
		if f.keep != nil {
			kept = countBits(f.keep, int(p.First), p.Rows)
		}
		f.tally.rows += int64(kept)
		switch {
		case p.Rows == 0:
		case kept == p.Rows:
			out.add(p.Header, p.body)
			f.tally.unseen = true
		default:
			if err := f.page(out, p, kept); err != nil {
				return err
			}
		}
	}
}

// page takes rows out of a page. Those that lose all of them vanish.
func (f *Filter) page(out *Filtered, p *Page, kept int) error {
	r := &f.reader
	b, err := r.levels(p.Rows)
	if err != nil {
		return err
	}
	values := p.Rows - b.Nulls
	nulls, err := f.levels(p, b, kept)
	if err != nil {
		return err
	}
	f.tally.nulls += int64(b.Nulls - nulls)
	levels := len(f.body)
	switch {
	case r.take.coded:
		err = f.indices(p, b, values)
	case r.chunk.Type == parquet.Types.Boolean:
		err = f.booleans(p, b, values)
	case r.chunk.Width > 0:
		err = f.fixed(p, b, values)
	default:
		err = f.texts(p, b, values)
	}
	if err != nil || kept == 0 {
		return err
	}
	return f.emit(out, p.Header, kept, nulls, levels)
}

// levels begins the body with the definition levels of the rows that stay, and
// counts their nulls.
func (f *Filter) levels(p *Page, b Batch, kept int) (nulls int, err error) {
	f.body = f.body[:0]
	if !f.reader.chunk.Optional {
		return 0, nil
	}
	f.valid = f.valid[:0]
	n := 0
	for from := 0; from < p.Rows; {
		start, end := nextRun(f.keep, int(p.First), from, p.Rows)
		if b.Valid == nil {
			f.valid = appendOnes(f.valid, n, end-start)
		} else {
			f.valid = appendBits(f.valid, n, b.Valid, start, end-start)
		}
		n, from = n+end-start, end
	}
	if n != kept {
		return 0, fmt.Errorf("%w: rows are counted wrong", ErrCorrupt)
	}
	if p.Header.Kind == DataPageV1 {
		f.body = append(f.body, 0, 0, 0, 0)
	}
	f.body = AppendLevels(f.body, f.valid, n)
	if p.Header.Kind == DataPageV1 {
		binary.LittleEndian.PutUint32(f.body, uint32(len(f.body)-4))
	}
	return n - countBits(f.valid, 0, n), nil
}

// runs calls each with the runs of values, which are those of rows that are not
// null, in their order: of rows that stay or of rows that go.
func (f *Filter) runs(p *Page, b Batch, each func(from, to int, stays bool)) {
	rank := 0
	values := func(from, to int) int {
		if b.Valid == nil {
			return to - from
		}
		return countBits(b.Valid, from, to-from)
	}
	for from := 0; from < p.Rows; {
		start, end := nextRun(f.keep, int(p.First), from, p.Rows)
		if n := values(from, start); n > 0 {
			each(rank, rank+n, false)
			rank += n
		}
		if n := values(start, end); n > 0 {
			each(rank, rank+n, true)
			rank += n
		}
		from = end
	}
}

// emit compresses the body and adds the page.
func (f *Filter) emit(out *Filtered, h Header, kept, nulls, levels int) error {
	h.Values, h.Uncompressed = int32(kept), int32(len(f.body))
	level := compress.DefaultCompressionLevel
	if out.Codec == compress.Codecs.Zstd {
		level = 1
	}
	if h.Kind == DataPageV1 {
		body, err := f.tools.compress(out.Codec, level, f.body)
		if err != nil {
			return err
		}
		h.Compressed, h.DefEncoding = int32(len(body)), parquet.Encodings.RLE
		out.add(h, body)
		return nil
	}
	h.Rows, h.Nulls, h.DefBytes = int32(kept), int32(nulls), int32(levels)
	if h.V2Raw = h.V2Raw || levels == len(f.body); h.V2Raw {
		h.Compressed = h.Uncompressed
		out.add(h, f.body)
		return nil
	}
	values, err := f.tools.compress(out.Codec, level, f.body[levels:])
	if err != nil {
		return err
	}
	h.Compressed = int32(levels + len(values))
	out.add(h, f.body[:levels])
	out.bytes = append(out.bytes, values...)
	return nil
}
