package pages

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

const (
	// sliceRows is how many rows of a column are encoded at once: few enough
	// that their values stay in the processor's first cache.
	sliceRows = 4096
	// pageRows bounds pages of columns that have nothing but nulls.
	pageRows = 1 << 20
	// headroom is left before the values of a page for levels without nulls,
	// so that the values need not be moved.
	headroom = 16
)

// column makes the chunks of one column, one after the other.
type column struct {
	*store
	desc     *schema.Column
	path     string
	nullable bool
	width    int // bytes of a value; 0 for byte arrays, and for booleans
	isBool   bool

	codec    compress.Compression
	level    int
	encoding parquet.Encoding // of pages without dictionary
	useDict  bool
	v2       bool
	pageSize int
	dictSize int

	bounds   bounds      // nil without statistics
	texts    *byteBounds // the same, of byte arrays
	bloom    metadata.BloomFilterBuilder
	newBloom func() metadata.BloomFilterBuilder

	begun  bool  // the chunk has rows
	coding bool  // values go through the dictionary
	dicted bool  // pages refer to the dictionary
	rows   int   // of the page
	nulls  int   // of the page
	raw    int   // bytes of the page's values in PLAIN
	flags  int   // booleans in the page
	voids  int64 // nulls of the chunk
	sums   sums
}

// store is the memory of a column; it outlives the file.
type store struct {
	page    []byte // headroom, then the values of the page in PLAIN
	valid   []byte // validity bits of the page, once it has a null
	indices []uint32
	dict    dictTable
	chunk   []byte // finished pages
}

func newColumn(desc *schema.Column, props *parquet.WriterProperties) (*column, error) {
	path := desc.Path()
	c := &column{
		desc: desc, path: path, codec: props.CompressionFor(path), level: props.CompressionLevelFor(path),
		encoding: props.EncodingFor(path), v2: props.DataPageVersion() != parquet.DataPageV1,
		pageSize: int(min(props.DataPageSize(), 1<<29)), dictSize: int(min(props.DictionaryPageSizeLimit(), 1<<29)),
		nullable: desc.MaxDefinitionLevel() == 1, isBool: desc.PhysicalType() == parquet.Types.Boolean,
	}
	c.useDict = props.DictionaryEnabledFor(path) && !c.isBool
	if desc.MaxDefinitionLevel() > 1 || desc.MaxRepetitionLevel() > 0 || len(desc.ColumnPath()) > 1 {
		return nil, fmt.Errorf("column %s: %w: nested columns", path, ErrRefused)
	}
	if err := c.shape(); err != nil {
		return nil, fmt.Errorf("column %s: %w", path, err)
	}
	if props.StatisticsEnabledFor(path) && desc.SortOrder() != schema.SortUNKNOWN {
		c.bounds = newBounds(desc)
		c.texts, _ = c.bounds.(*byteBounds)
	}
	if props.BloomFilterEnabledFor(path) {
		c.newBloom = func() metadata.BloomFilterBuilder { return newBloom(props, desc) }
	}
	return c, nil
}

// shape sets the width, and checks that the encoding suits it.
func (c *column) shape() error {
	switch c.desc.PhysicalType() {
	case parquet.Types.Boolean, parquet.Types.ByteArray:
	case parquet.Types.Int32, parquet.Types.Float:
		c.width = 4
	case parquet.Types.Int64, parquet.Types.Double:
		c.width = 8
	case parquet.Types.FixedLenByteArray:
		c.width = c.desc.TypeLength()
	}
	if c.width == 0 && c.desc.PhysicalType() != parquet.Types.ByteArray && !c.isBool {
		return fmt.Errorf("%w: type %v", ErrRefused, c.desc.PhysicalType())
	}
	isInt := c.desc.PhysicalType() == parquet.Types.Int32 || c.desc.PhysicalType() == parquet.Types.Int64
	switch c.encoding {
	case parquet.Encodings.Plain, parquet.Encodings.PlainDict, parquet.Encodings.RLEDict:
		c.encoding = parquet.Encodings.Plain
		return nil
	case parquet.Encodings.DeltaBinaryPacked:
		if isInt {
			return nil
		}
	case parquet.Encodings.ByteStreamSplit:
		if c.width > 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: encoding %v for type %v", ErrRefused, c.encoding, c.desc.PhysicalType())
}

// write appends rows from to to of an array.
func (c *column) write(t *tools, arr arrow.Array, from, to int) error {
	src, err := c.source(arr)
	if err != nil {
		return fmt.Errorf("column %s: %w", c.path, err)
	}
	for from < to {
		c.begin()
		n, bytes := src.fit(from, min(to, from+sliceRows, from+pageRows-c.rows), c.pageSize-c.raw)
		if c.coding && (c.dict.size() > c.dictSize || bytes > max(c.dictSize, c.pageSize)) {
			if err := c.giveUpDictionary(t); err != nil {
				return err
			}
		}
		if err := c.append(t, &src, from, from+n); err != nil {
			return fmt.Errorf("column %s: %w", c.path, err)
		}
		from += n
		if c.raw >= c.pageSize || c.rows >= pageRows {
			if err := c.flush(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin prepares for rows, where a page or a chunk begins.
func (c *column) begin() {
	if c.rows > 0 {
		return
	}
	c.page = append(c.page[:0], make([]byte, headroom)...)
	c.valid, c.indices = c.valid[:0], c.indices[:0]
	c.nulls, c.raw, c.flags = 0, 0, 0
	if c.begun {
		return
	}
	c.begun, c.dicted, c.coding = true, false, c.useDict
	c.voids, c.sums, c.chunk = 0, sums{}, c.chunk[:0]
	if c.coding {
		c.dict.reset(c.width)
	}
	if c.bounds != nil {
		c.bounds.reset()
	}
	if c.newBloom != nil {
		c.bloom = c.newBloom()
	}
}

// append encodes rows that fit into the page.
func (c *column) append(t *tools, src *source, from, to int) error {
	nulls := src.nulls(from, to)
	if nulls > 0 && !c.nullable {
		return fmt.Errorf("%w: nulls in a required column", ErrRefused)
	}
	c.mark(src, from, to, nulls)
	c.rows += to - from
	c.nulls += nulls
	c.voids += int64(nulls)
	switch {
	case nulls == to-from:
	case c.isBool:
		c.addBools(src, from, to)
	case c.width > 0:
		raw, err := src.fixed(t, from, to)
		if err != nil {
			return err
		}
		c.addFixed(raw)
	case src.wide != nil:
		addTexts(c, src, src.wide, from, to)
	default:
		addTexts(c, src, src.offsets, from, to)
	}
	return nil
}

// mark notes which rows are null. Pages without nulls need no bits.
func (c *column) mark(src *source, from, to, nulls int) {
	if nulls > 0 && c.nulls == 0 {
		c.valid = appendOnes(c.valid[:0], 0, c.rows)
	}
	switch {
	case nulls > 0:
		c.valid = appendBits(c.valid, c.rows, src.bits, src.bit+from, to-from)
	case c.nulls > 0:
		c.valid = appendOnes(c.valid, c.rows, to-from)
	}
}

// size is about how many bytes of a file the chunk takes so far.
func (c *column) size() int64 {
	if !c.begun {
		return 0
	}
	pending := int64(c.raw)
	if c.coding {
		pending = int64(len(c.indices)*c.dict.bits()/8 + c.dict.size())
	}
	if c.codec != compress.Codecs.Uncompressed {
		if c.sums.uncompressed > 0 {
			pending = pending * int64(len(c.chunk)) / c.sums.uncompressed
		} else {
			pending /= 2
		}
	}
	return int64(len(c.chunk)) + pending
}

func (c *column) releaseBloom() {
	if c.bloom != nil {
		c.bloom.Release()
		c.bloom = nil
	}
}
