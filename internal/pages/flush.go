package pages

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// flush ends the page: it is compressed and waits for the chunk's end.
func (c *column) flush(t *tools) error {
	if c.rows == 0 {
		return nil
	}
	if c.coding && !c.dicted && c.dict.size()+len(c.indices)*c.dict.bits()/8 >= c.raw {
		c.dropDictionary()
	}
	h := Header{Kind: DataPageV1, Values: int32(c.rows), Encoding: c.encoding,
		DefEncoding: parquet.Encodings.RLE, RepEncoding: parquet.Encodings.RLE}
	if c.coding {
		h.Encoding = parquet.Encodings.RLEDict
		c.dicted = true
	}
	c.appendDefinitions(t)
	var err error
	if c.v2 {
		err = c.endV2(t, h)
	} else {
		err = c.endV1(t, h)
	}
	c.rows = 0
	return err
}

// appendDefinitions makes the definition levels of the page.
func (c *column) appendDefinitions(t *tools) {
	t.levels = t.levels[:0]
	if !c.nullable {
		return
	}
	if !c.v2 {
		t.levels = append(t.levels, 0, 0, 0, 0)
	}
	if c.nulls == 0 {
		t.levels = appendRepeated(t.levels, 1, c.rows, 1)
	} else {
		t.levels = AppendLevels(t.levels, c.valid, c.rows)
	}
	if !c.v2 {
		binary.LittleEndian.PutUint32(t.levels, uint32(len(t.levels)-4))
	}
}

// appendValues appends the values of the page as its encoding wants.
func (c *column) appendValues(dst []byte) []byte {
	plain := c.page[headroom:]
	switch {
	case c.coding:
		width := c.dict.bits()
		return AppendRuns(append(dst, byte(width)), c.indices, width)
	case c.encoding == parquet.Encodings.DeltaBinaryPacked:
		return appendDelta(dst, plain, c.width)
	case c.encoding == parquet.Encodings.ByteStreamSplit:
		return appendSplit(dst, plain, c.width)
	}
	return append(dst, plain...)
}

func (c *column) endV1(t *tools, h Header) error {
	var body []byte
	if n := len(t.levels); n <= headroom && h.Encoding == parquet.Encodings.Plain {
		body = c.page[headroom-n:]
		copy(body, t.levels)
	} else {
		t.body = c.appendValues(append(t.body[:0], t.levels...))
		body = t.body
	}
	out, err := t.compress(c.codec, c.level, body)
	if err != nil {
		return err
	}
	return c.addPage(h, len(body), nil, out)
}

// endV2 compresses the values only; of none it writes none.
func (c *column) endV2(t *tools, h Header) error {
	h.Kind, h.DefEncoding, h.RepEncoding = DataPageV2, 0, 0
	h.Nulls, h.Rows, h.DefBytes = int32(c.nulls), int32(c.rows), int32(len(t.levels))
	t.body = c.appendValues(t.body[:0])
	out := t.body
	if h.V2Raw = len(out) == 0; !h.V2Raw {
		var err error
		if out, err = t.compress(c.codec, c.level, t.body); err != nil {
			return err
		}
	}
	return c.addPage(h, len(t.levels)+len(t.body), t.levels, out)
}

func (c *column) addPage(h Header, size int, levels, values []byte) error {
	if size > math.MaxInt32 || len(levels)+len(values) > math.MaxInt32 {
		return fmt.Errorf("column %s: %w: a value is too large for a page", c.path, ErrRefused)
	}
	h.Uncompressed, h.Compressed = int32(size), int32(len(levels)+len(values))
	start := len(c.chunk)
	c.chunk = AppendHeader(c.chunk, h)
	c.sums.add(h, len(c.chunk)-start)
	c.chunk = append(append(c.chunk, levels...), values...)
	return nil
}

// giveUpDictionary lets the pages that follow be plain.
func (c *column) giveUpDictionary(t *tools) error {
	err := c.flush(t)
	if c.coding {
		c.coding = false
		c.observeDictionary()
	}
	c.begin()
	return err
}

// dropDictionary makes the first page plain: the dictionary does not pay.
func (c *column) dropDictionary() {
	c.observeDictionary()
	c.coding = false
	for _, i := range c.indices {
		c.page = append(c.page, c.dict.plain(int(i))...)
	}
}

// observeDictionary takes the entries for statistics and Bloom filter: all of
// them are values of the chunk.
func (c *column) observeDictionary() {
	if c.width > 0 {
		c.observe(c.dict.body)
		return
	}
	for i := range c.dict.n {
		v := c.dict.entry(i)
		if c.texts != nil {
			c.texts.value(v)
		}
		if c.bloom != nil {
			c.bloom.InsertHash(c.bloom.Hasher().Sum64(v))
		}
	}
	if c.texts != nil {
		c.texts.hold()
	}
}

// column writes the chunk of a column, whose last page has ended.
func (g *Group) column(t *tools, c *column) error {
	chunk, err := g.Chunk(c.codec)
	if err != nil {
		return err
	}
	if c.coding {
		c.observeDictionary()
	}
	if c.dicted {
		body, err := t.compress(c.codec, c.level, c.dict.body)
		if err != nil {
			return err
		}
		h := Header{Kind: DictionaryPage, Values: int32(c.dict.n), Encoding: parquet.Encodings.Plain,
			Uncompressed: int32(len(c.dict.body)), Compressed: int32(len(body))}
		if err := chunk.Page(h, body); err != nil {
			return err
		}
	}
	if err := chunk.ready(c.chunk, &c.sums); err != nil {
		return err
	}
	if c.bloom != nil {
		g.blooms[c.path] = c.bloom
		c.bloom = nil
	}
	c.begun = false
	return chunk.Close(c.stats())
}

// ready appends pages with their headers.
func (c *ChunkWriter) ready(pages []byte, s *sums) error {
	c.begin(false)
	c.sums.merge(s)
	if _, err := c.g.w.out.Write(pages); err != nil {
		return c.g.w.fail(err)
	}
	return nil
}

func (s *sums) merge(other *sums) {
	s.pages += other.pages
	s.values += other.values
	s.uncompressed += other.uncompressed
	for i := range s.data {
		s.data[i] += other.data[i]
		s.dict[i] += other.dict[i]
	}
}

func (c *column) stats() (s Stats) {
	if c.bounds == nil {
		return s
	}
	s.HasNulls, s.Nulls = true, c.voids
	s.Min, s.Max, s.HasBounds = c.bounds.encode()
	return s
}

// newBloom sizes a filter as the properties say.
func newBloom(props *parquet.WriterProperties, desc *schema.Column) metadata.BloomFilterBuilder {
	path, most, mem := desc.Path(), props.MaxBloomFilterBytes(), memory.DefaultAllocator
	fpp := props.BloomFilterFPPFor(path)
	if ndv := props.BloomFilterNDVFor(path); ndv > 0 {
		return metadata.NewBloomFilterFromNDVAndFPP(uint32(min(ndv, math.MaxUint32)), fpp, most, mem)
	}
	if props.AdaptiveBloomFilterEnabledFor(path) {
		return metadata.NewAdaptiveBlockSplitBloomFilter(uint32(most), props.BloomFilterCandidatesFor(path), fpp, desc, mem)
	}
	return metadata.NewBloomFilter(uint32(most), uint32(most), mem)
}
