package pages

import (
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
)

const (
	// readWindow is how many bytes of a chunk are read at once, unless a page takes more.
	readWindow = 4 << 20
	// maxReadPage is the greatest size in bytes of a page's body that is read here,
	// compressed or not.
	maxReadPage = 256 << 20
	// maxReadRows is the greatest number of rows of a page that is read here.
	maxReadRows = 1 << 26
)

// ErrForeign means that a chunk is stored in a way which this package does
// not read, be it good or not; a complete reader of Parquet may.
var ErrForeign = errors.New("column chunk is stored in a way that is not read here")

// Extent says where a column chunk of a flat column is and how its values are stored.
type Extent struct {
	Offset, Length int64 // bytes of all of its pages, of the dictionary on
	Rows           int64
	Codec          compress.Compression
	Type           parquet.Type
	Width          int  // bytes of a value; 0 if it varies
	Optional       bool // there are definition levels, 0 or 1
	Inexact        bool // bounds in its statistics may lie beyond the values
}

// Page is a data page.
type Page struct {
	Header Header
	Rows   int   // nulls included
	First  int64 // row of the chunk that is the page's first
	body   []byte
}

// Reader reads the pages of one column chunk after the other. Its memory is used
// again, from chunk to chunk too, so what it gives out is valid until the next
// call. It is not safe for concurrent use.
type Reader struct {
	src   io.ReaderAt
	chunk Extent
	buf   []byte // read, of which at is next
	at    int
	next  int64 // offset in the file of what follows buf
	end   int64 // of the chunk
	rows  int64 // of the pages before

	page  Page
	dict  readDict
	take  taking
	plain []byte // memory for bodies
	codec inflater
}

// readDict is the dictionary of a chunk. Its memory is kept for the next one.
type readDict struct {
	there  bool
	raw    []byte // the page with its header
	head   int    // length of that
	header Header
	plain  []byte // values
	memory []byte // for plain
	terms  int
}

// Open begins with a chunk of src, which has size bytes. The sizes in c need
// not be true. It returns ErrForeign or ErrCorrupt, wrapped, or what
// reading returned.
func (r *Reader) Open(src io.ReaderAt, size int64, c Extent) error {
	if c.Offset < 0 || c.Length <= 0 || c.Rows < 0 || c.Offset > size || c.Length > size-c.Offset {
		return fmt.Errorf("%w: column chunk is outside of its file", ErrCorrupt)
	}
	if err := r.codec.use(c.Codec); err != nil {
		return err
	}
	r.src, r.chunk, r.next, r.end, r.rows = src, c, c.Offset, c.Offset+c.Length, 0
	r.buf, r.at = r.buf[:0], 0
	r.dict.there, r.dict.terms, r.dict.plain = false, 0, nil
	r.page, r.take = Page{}, r.take.next()
	return nil
}

// Next moves on to the next data page. After the last it returns io.EOF, and
// ErrCorrupt if the pages do not add up to the rows of the chunk.
func (r *Reader) Next() (*Page, error) {
	for {
		h, n, err := r.header()
		if err != nil {
			return nil, err
		}
		if err := r.fill(n + int(h.Compressed)); err != nil {
			return nil, err
		}
		raw := r.buf[r.at : r.at+n+int(h.Compressed)]
		r.at += len(raw)
		switch h.Kind {
		case DataPageV1, DataPageV2:
			return r.data(h, raw[n:])
		case DictionaryPage:
			if err := r.dictionary(h, raw, n); err != nil {
				return nil, err
			}
		case IndexPage: // nothing to read in them
		}
	}
}

// header reads the header of the next page. The last page may be followed by
// padding, so the rows tell the end.
func (r *Reader) header() (Header, int, error) {
	if r.rows == r.chunk.Rows {
		return Header{}, 0, io.EOF
	}
	for want := 256; ; want *= 8 {
		left := int64(len(r.buf)-r.at) + r.end - r.next
		if left == 0 {
			return Header{}, 0, fmt.Errorf("%w: column chunk ends after %d of %d rows", ErrCorrupt, r.rows, r.chunk.Rows)
		}
		want = int(min(int64(want), left))
		if err := r.fill(want); err != nil {
			return Header{}, 0, err
		}
		h, n, err := ReadHeader(r.buf[r.at:])
		if errors.Is(err, ErrShort) && int64(want) < left {
			continue
		}
		switch {
		case err != nil:
			return Header{}, 0, fmt.Errorf("%w: %w", ErrCorrupt, err)
		case int64(h.Compressed) > left-int64(n):
			return Header{}, 0, fmt.Errorf("%w: page reaches beyond its column chunk", ErrCorrupt)
		case h.Compressed > maxReadPage || h.Uncompressed > maxReadPage:
			return Header{}, 0, fmt.Errorf("%w: large pages", ErrForeign)
		}
		return h, n, nil
	}
}

// fill sees to it that the next n bytes are in the buffer.
func (r *Reader) fill(n int) error {
	have := len(r.buf) - r.at
	if have >= n {
		return nil
	}
	if int64(n-have) > r.end-r.next {
		return fmt.Errorf("%w: page reaches beyond its column chunk", ErrCorrupt)
	}
	size := int(min(int64(max(n, readWindow)), int64(have)+r.end-r.next))
	if cap(r.buf) < size {
		r.buf = append(make([]byte, 0, size), r.buf[r.at:]...)
	} else {
		r.buf = r.buf[:copy(r.buf[:have], r.buf[r.at:])]
	}
	r.at = 0
	got, err := r.src.ReadAt(r.buf[have:size], r.next)
	if got < size-have {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	r.buf = r.buf[:size]
	r.next += int64(got)
	return nil
}

func (r *Reader) data(h Header, body []byte) (*Page, error) {
	rows := int64(h.Values)
	switch {
	case rows > r.chunk.Rows-r.rows:
		return nil, fmt.Errorf("%w: pages have more rows than their column chunk", ErrCorrupt)
	case rows > maxReadRows:
		return nil, fmt.Errorf("%w: large pages", ErrForeign)
	case h.Kind == DataPageV2 && (h.Rows != h.Values || h.RepBytes != 0):
		return nil, fmt.Errorf("%w: nested values", ErrForeign)
	}
	r.take = r.take.next()
	r.page = Page{Header: h, Rows: int(rows), First: r.rows, body: body}
	r.rows += rows
	return &r.page, nil
}

// dictionary keeps the dictionary page, which comes before all others.
func (r *Reader) dictionary(h Header, raw []byte, head int) error {
	d := &r.dict
	if d.there || r.rows > 0 {
		return fmt.Errorf("%w: dictionary page is not the first", ErrCorrupt)
	}
	if h.Encoding != parquet.Encodings.Plain && h.Encoding != parquet.Encodings.PlainDict {
		return fmt.Errorf("%w: dictionary of encoding %v", ErrForeign, h.Encoding)
	}
	d.raw = append(d.raw[:0], raw...)
	plain, err := r.codec.decode(d.memory, d.raw[head:], int(h.Uncompressed))
	if err != nil {
		return err
	}
	if r.chunk.Type == parquet.Types.Boolean {
		return fmt.Errorf("%w: dictionary of booleans", ErrForeign)
	}
	if r.chunk.Width > 0 && int64(len(plain)) != int64(h.Values)*int64(r.chunk.Width) {
		return fmt.Errorf("%w: dictionary has another size than its entries", ErrCorrupt)
	}
	if r.chunk.Width == 0 {
		if n, err := readTextBytes(plain, int(h.Values)); err != nil || n != len(plain) {
			return fmt.Errorf("%w: dictionary has another size than its entries", ErrCorrupt)
		}
	}
	if r.codec.owns() {
		d.memory = plain
	}
	d.there, d.plain, d.terms, d.head, d.header = true, plain, int(h.Values), head, h
	return nil
}

// Dictionary returns the dictionary's entries, PLAIN encoded, and their number.
// It is known after the first Next.
func (r *Reader) Dictionary() (plain []byte, entries int) { return r.dict.plain, r.dict.terms }
