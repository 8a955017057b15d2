package pages

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
)

// Batch is rows of one page.
type Batch struct {
	Rows, Nulls int
	// Valid is a bitmap of the rows that are not null; nil where none is.
	Valid []byte
	// Plain are the values of the rows that are not null, PLAIN encoded.
	Plain []byte
	// Index are, in place of Plain, their entries in the dictionary.
	Index []uint32
}

// taking is how far the values of a page were taken.
type taking struct {
	open   bool
	rows   int // taken
	levels Hybrid
	plain  []byte // left
	coded  bool   // by the dictionary
	index  Hybrid

	valid   []byte // memory
	indices []uint32
}

// next is that of the next page.
func (t *taking) next() taking { return taking{valid: t.valid, indices: t.indices} }

// Left is how many rows of the page were neither taken nor passed over.
func (r *Reader) Left() int { return r.page.Rows - r.take.rows }

// Coded reports whether the page holds entries of the dictionary.
func (p *Page) Coded() bool {
	return p.Header.Encoding == parquet.Encodings.PlainDict || p.Header.Encoding == parquet.Encodings.RLEDict
}

// Take returns the next n rows of the page, at most Left. A page is
// decompressed when the first of its rows are taken.
func (r *Reader) Take(n int) (Batch, error) {
	b, err := r.levels(n)
	if err != nil {
		return Batch{}, err
	}
	t := &r.take
	if n = b.Rows - b.Nulls; t.coded {
		b.Index, err = r.indices(n)
		return b, err
	}
	size, err := r.bytes(n)
	if err != nil {
		return Batch{}, err
	}
	b.Plain, t.plain = t.plain[:size:size], t.plain[size:]
	return b, nil
}

// Skip passes over the next n rows of the page, at most Left.
func (r *Reader) Skip(n int) error {
	if n == r.Left() { // no need to decode them
		r.take.rows = r.page.Rows
		return nil
	}
	b, err := r.levels(n)
	if err != nil {
		return err
	}
	t := &r.take
	if n = b.Rows - b.Nulls; t.coded {
		return t.index.Skip(n)
	}
	size, err := r.bytes(n)
	if err != nil {
		return err
	}
	t.plain = t.plain[size:]
	return nil
}

// levels takes the definition levels of n rows.
func (r *Reader) levels(n int) (Batch, error) {
	if n < 0 || n > r.Left() {
		return Batch{}, fmt.Errorf("%d rows wanted of a page that has %d left", n, r.Left())
	}
	t := &r.take
	if !t.open {
		if err := r.load(); err != nil {
			return Batch{}, err
		}
	}
	t.rows += n
	b := Batch{Rows: n}
	if !r.chunk.Optional || n == 0 {
		return b, nil
	}
	size := (n + 7) / 8
	if cap(t.valid) < size {
		t.valid = make([]byte, size)
	}
	t.valid = t.valid[:size]
	clear(t.valid)
	ones, err := t.levels.Bits(t.valid, 0, n)
	if err != nil {
		return Batch{}, fmt.Errorf("%w: definition levels", err)
	}
	if b.Nulls = n - ones; b.Nulls > 0 {
		b.Valid = t.valid
	}
	return b, nil
}

func (r *Reader) indices(n int) ([]uint32, error) {
	t := &r.take
	if cap(t.indices) < n {
		t.indices = make([]uint32, n)
	}
	out := t.indices[:n:n]
	if err := t.index.Read(out); err != nil {
		return nil, fmt.Errorf("%w: dictionary indices", err)
	}
	most := uint32(0)
	for _, i := range out {
		most = max(most, i)
	}
	if n > 0 && int64(most) >= int64(r.dict.terms) {
		return nil, fmt.Errorf("%w: index beyond the dictionary", ErrCorrupt)
	}
	return out, nil
}

// bytes is how many bytes the next n values take.
func (r *Reader) bytes(n int) (int, error) {
	if r.chunk.Type == parquet.Types.Boolean {
		return 0, fmt.Errorf("%w: booleans", ErrForeign)
	}
	if r.chunk.Width == 0 {
		return readTextBytes(r.take.plain, n)
	}
	if n > len(r.take.plain)/r.chunk.Width {
		return 0, fmt.Errorf("%w: page ends before its values", ErrCorrupt)
	}
	return n * r.chunk.Width, nil
}

// readTextBytes is how many bytes the first n values of variable length take.
func readTextBytes(plain []byte, n int) (int, error) {
	at := 0
	for range n {
		if len(plain)-at < 4 {
			return 0, fmt.Errorf("%w: page ends before its values", ErrCorrupt)
		}
		size := binary.LittleEndian.Uint32(plain[at:])
		if at += 4; uint64(size) > uint64(len(plain)-at) {
			return 0, fmt.Errorf("%w: value reaches beyond its page", ErrCorrupt)
		}
		at += int(size)
	}
	return at, nil
}

// load decompresses the page and finds levels and values in it.
func (r *Reader) load() error {
	h, t := r.page.Header, &r.take
	var levels, values []byte
	var err error
	if h.Kind == DataPageV2 {
		levels, values, err = r.loadV2()
	} else {
		levels, values, err = r.loadV1()
	}
	if err != nil {
		return err
	}
	t.open, t.levels = true, NewHybrid(levels, 1)
	switch h.Encoding {
	case parquet.Encodings.Plain:
		t.plain = values
		return nil
	case parquet.Encodings.PlainDict, parquet.Encodings.RLEDict:
		return r.loadIndices(values)
	}
	return fmt.Errorf("%w: encoding %v", ErrForeign, h.Encoding)
}

func (r *Reader) loadIndices(values []byte) error {
	t := &r.take
	t.coded = true
	if !r.dict.there {
		return fmt.Errorf("%w: no dictionary", ErrCorrupt)
	}
	if len(values) == 0 { // nothing but nulls
		t.index = NewHybrid(nil, 0)
		return nil
	}
	if values[0] > 32 {
		return fmt.Errorf("%w: dictionary indices are too wide", ErrCorrupt)
	}
	t.index = NewHybrid(values[1:], int(values[0]))
	return nil
}

func (r *Reader) loadV1() (levels, values []byte, err error) {
	h := r.page.Header
	body, err := r.decode(r.page.body, int(h.Uncompressed))
	if err != nil || !r.chunk.Optional {
		return nil, body, err
	}
	if h.DefEncoding != parquet.Encodings.RLE {
		return nil, nil, fmt.Errorf("%w: levels of encoding %v", ErrForeign, h.DefEncoding)
	}
	if len(body) < 4 || uint64(binary.LittleEndian.Uint32(body)) > uint64(len(body)-4) {
		return nil, nil, fmt.Errorf("%w: page ends before its levels", ErrCorrupt)
	}
	n := 4 + int(binary.LittleEndian.Uint32(body))
	return body[4:n], body[n:], nil
}

func (r *Reader) loadV2() (levels, values []byte, err error) {
	h := r.page.Header
	n := int(h.DefBytes) // not more than either size: see ReadHeader
	levels, values = r.page.body[:n], r.page.body[n:]
	size := int(h.Uncompressed) - n
	switch {
	case size == 0:
		return levels, nil, nil
	case h.V2Raw && len(values) != size:
		return nil, nil, errReadSize
	case h.V2Raw:
		return levels, values, nil
	}
	values, err = r.decode(values, size)
	return levels, values, err
}

func (r *Reader) decode(src []byte, size int) ([]byte, error) {
	out, err := r.codec.decode(r.plain, src, size)
	if err == nil && cap(out) > cap(r.plain) && r.codec.owns() {
		r.plain = out
	}
	return out, err
}
