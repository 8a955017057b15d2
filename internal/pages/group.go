package pages

import (
	"errors"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Group is a row group whose column chunks are put together from pages. The
// usual course, column by column in the order of the schema:
//
//	g, err := w.BeginGroup(rows)
//	c, err := g.Chunk(compress.Codecs.Zstd)
//	err = c.Page(dictionaryHeader, body)
//	err = c.Page(header, body)
//	err = c.Close(Stats{...})
//	err = g.Close()
//
// Bytes go to the file at once; nothing is kept but the metadata.
type Group struct {
	w      *Writer
	rows   int64
	next   int // column
	open   *ChunkWriter
	meta   *metadata.RowGroupMetaDataBuilder
	blooms map[string]metadata.BloomFilterBuilder
}

// BeginGroup begins a row group of rows rows (one at least). Rows that Write
// took before are written first, as a row group of their own. Until Close of
// the group, Write and Close of the Writer are refused.
func (w *Writer) BeginGroup(rows int64) (*Group, error) {
	if err := w.ready(); err != nil {
		return nil, err
	}
	if rows < 1 {
		return nil, fmt.Errorf("%w: a row group without rows", ErrRefused)
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	return w.begin(rows)
}

func (w *Writer) begin(rows int64) (*Group, error) {
	if w.groups >= maxGroups {
		return nil, w.fail(fmt.Errorf("%w: more than %d row groups", ErrRefused, maxGroups))
	}
	g := &Group{w: w, rows: rows, meta: w.meta.AppendRowGroup(), blooms: map[string]metadata.BloomFilterBuilder{}}
	g.meta.SetNumRows(int(rows))
	w.group = g
	return g, nil
}

// Chunk begins the chunk of the next column. The codec is that of all its
// pages.
func (g *Group) Chunk(codec compress.Compression) (*ChunkWriter, error) {
	switch {
	case g.w.err != nil:
		return nil, g.w.err
	case g.open != nil:
		return nil, errors.New("a column chunk is still open")
	case g.next >= len(g.w.cols):
		return nil, fmt.Errorf("%w: the schema has only %d columns", ErrRefused, len(g.w.cols))
	}
	g.open = &ChunkWriter{g: g, desc: g.w.schema.Column(g.next), codec: codec, start: g.w.out.n}
	g.next++
	return g.open, nil
}

// Encode makes the next chunk of the values in arrays, which have as many as the
// row group has rows, in the encoding that the properties of the Writer say.
func (g *Group) Encode(arrays iter.Seq[arrow.Array]) error {
	w := g.w
	switch {
	case w.err != nil:
		return w.err
	case g.open != nil:
		return errors.New("a column chunk is still open")
	case g.next >= len(w.cols):
		return fmt.Errorf("%w: the schema has only %d columns", ErrRefused, len(w.cols))
	}
	col := w.cols[g.next]
	tools := w.pool.tools()
	defer w.pool.putTools(tools)
	for arr := range arrays {
		if err := col.write(tools, arr, 0, arr.Len()); err != nil {
			return w.fail(err)
		}
	}
	if !col.begun {
		return w.fail(fmt.Errorf("column %s: %w: no values for a row group of %d rows", col.path, ErrRefused, g.rows))
	}
	if err := col.flush(tools); err != nil {
		return w.fail(err)
	}
	return g.column(tools, col)
}

// Close ends the row group, all of whose chunks must have been closed.
func (g *Group) Close() error {
	w := g.w
	if w.err != nil {
		return w.err
	}
	if g.open != nil || g.next != len(w.cols) {
		return w.fail(errors.New("the row group lacks column chunks"))
	}
	if err := g.meta.Finish(0, int16(w.groups)); err != nil {
		return w.fail(err)
	}
	w.blooms.AppendRowGroup(g.meta, g.blooms)
	w.group = nil
	w.groups++
	return nil
}

// Stats are the statistics of a column chunk (Statistics in parquet.thrift).
type Stats struct {
	// HasBounds tells that Min and Max are set: PLAIN-encoded, byte arrays
	// without their length.
	HasBounds bool
	Min, Max  []byte
	HasNulls  bool
	Nulls     int64
}

// ChunkWriter is a column chunk in the making.
type ChunkWriter struct {
	g     *Group
	desc  *schema.Column
	codec compress.Compression
	start int64 // in the file

	hasDict bool
	dataAt  int64 // in the file
	sums    sums
	header  []byte
}

// Page appends a page as it is: body is compressed with the chunk's codec, and
// levels stand in it as the format of the data page wants. A dictionary page
// comes first or not at all.
func (c *ChunkWriter) Page(h Header, body []byte) error {
	w := c.g.w
	if w.err != nil {
		return w.err
	}
	if err := c.admit(h, len(body)); err != nil {
		return w.fail(fmt.Errorf("column %s: %w", c.desc.Name(), err))
	}
	c.header = AppendHeader(c.header[:0], h)
	c.sums.add(h, len(c.header))
	if _, err := w.out.Write(c.header); err != nil {
		return w.fail(err)
	}
	if _, err := w.out.Write(body); err != nil {
		return w.fail(err)
	}
	return nil
}

func (c *ChunkWriter) admit(h Header, body int) error {
	if err := h.check(); err != nil {
		return err
	}
	switch {
	case int(h.Compressed) != body:
		return fmt.Errorf("%w: the page has not the size that its header tells", ErrCorrupt)
	case h.Encoding < 0 || int(h.Encoding) >= len(c.sums.data):
		return fmt.Errorf("%w: unknown encoding", ErrRefused)
	case h.Kind == DictionaryPage && c.sums.pages > 0:
		return fmt.Errorf("%w: a dictionary page behind other pages", ErrRefused)
	case h.Kind == IndexPage:
		return fmt.Errorf("%w: index pages", ErrRefused)
	}
	c.begin(h.Kind == DictionaryPage)
	return nil
}

// begin notes where the pages of the chunk are.
func (c *ChunkWriter) begin(dict bool) {
	if dict {
		c.hasDict = true
	} else if c.dataAt == 0 {
		c.dataAt = c.g.w.out.n
	}
}

// Close ends the chunk, whose pages must have as many values as the row group
// has rows. Encodings are taken from the headers of the pages. Bounds that are
// longer than the properties allow are left out.
func (c *ChunkWriter) Close(stats Stats) error {
	w := c.g.w
	if w.err != nil {
		return w.err
	}
	if c.sums.values != c.g.rows {
		return w.fail(fmt.Errorf("column %s: %w: pages of %d values in a row group of %d rows",
			c.desc.Name(), ErrRefused, c.sums.values, c.g.rows))
	}
	b := c.g.meta.NextColumnChunk()
	c.setStats(b, stats)
	info := metadata.ChunkMetaInfo{
		NumValues: c.sums.values, DataPageOffset: c.dataAt, IndexPageOffset: -1,
		CompressedSize: w.out.n - c.start, UncompressedSize: c.sums.uncompressed,
	}
	if c.hasDict {
		info.DictPageOffset = c.start
	}
	if err := b.Finish(info, c.hasDict, false, c.sums.encodingStats()); err != nil {
		return w.fail(err)
	}
	meta := b.Contents().MetaData
	meta.Encodings = encodingList(meta.Encodings[:0], c.sums.encodings(c.desc.MaxDefinitionLevel() > 0))
	meta.Codec = enum(meta.Codec, int64(c.codec))
	c.g.open = nil
	return nil
}

func (c *ChunkWriter) setStats(b *metadata.ColumnChunkMetaDataBuilder, stats Stats) {
	var enc metadata.EncodedStatistics
	if stats.HasBounds {
		enc.SetMin(stats.Min).SetMax(stats.Max)
	}
	if stats.HasNulls {
		enc.SetNullCount(stats.Nulls)
	}
	enc.ApplyStatSizeLimits(int(c.g.w.props.MaxStatsSizeFor(c.desc.Path())))
	enc.Signed = c.desc.SortOrder() == schema.SortSIGNED
	if enc.IsSet() {
		b.SetStats(enc)
	}
}

// encodingList and enum write values of types that cannot be named here.
func encodingList[E ~int64](list []E, of []parquet.Encoding) []E {
	for _, e := range of {
		list = append(list, E(e))
	}
	return list
}

func enum[E ~int64](_ E, v int64) E { return E(v) }

// sums are what the metadata of a chunk tells about its pages.
type sums struct {
	pages        int
	values       int64
	uncompressed int64     // headers included
	dict, data   [16]int32 // pages by encoding
}

func (s *sums) add(h Header, header int) {
	s.pages++
	s.uncompressed += int64(header) + int64(h.Uncompressed)
	if h.Kind == DictionaryPage {
		s.dict[h.Encoding]++
		return
	}
	s.values += int64(h.Values)
	s.data[h.Encoding]++
}

// encodings lists each encoding once, those of levels included.
func (s *sums) encodings(levels bool) (list []parquet.Encoding) {
	for e := range s.data {
		if s.data[e] > 0 || s.dict[e] > 0 || levels && parquet.Encoding(e) == parquet.Encodings.RLE {
			list = append(list, parquet.Encoding(e))
		}
	}
	return list
}

func (s *sums) encodingStats() metadata.EncodingStats {
	counts := func(by *[16]int32) map[parquet.Encoding]int32 {
		m := map[parquet.Encoding]int32{}
		for e, n := range by {
			if n > 0 {
				m[parquet.Encoding(e)] = n
			}
		}
		return m
	}
	return metadata.EncodingStats{DictEncodingStats: counts(&s.dict), DataEncodingStats: counts(&s.data)}
}
