package pages

import (
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet"
)

// Kind is the type of a page; the values are those of PageType in
// parquet.thrift.
type Kind int8

// The kinds of pages.
const (
	DataPageV1 Kind = iota
	IndexPage
	DictionaryPage
	DataPageV2
)

// MaxHeader is the greatest size of a page header in bytes. Only statistics
// can make a header longer than some dozen bytes.
const MaxHeader = 16 << 20

var (
	// ErrShort means that the bytes end before the header does.
	ErrShort = errors.New("page header is incomplete")
	// ErrCorrupt means that bytes do not follow the Parquet format.
	ErrCorrupt = errors.New("corrupt Parquet page")
)

// Header describes the page that follows it in the file (PageHeader of
// parquet.thrift). Statistics and checksums are neither kept nor written.
type Header struct {
	Kind                     Kind
	Uncompressed, Compressed int32 // bytes of the body, levels included
	Values                   int32 // nulls included; of a dictionary: its entries
	Encoding                 parquet.Encoding

	// Of DataPageV1.
	DefEncoding, RepEncoding parquet.Encoding

	// Of DataPageV2, whose levels are always RLE and never compressed.
	Nulls, Rows        int32
	DefBytes, RepBytes int32
	V2Raw              bool // the values are not compressed either
}

// AppendHeader appends the header in Thrift's compact protocol.
func AppendHeader(dst []byte, h Header) []byte {
	w := compactWriter{buf: dst}
	w.int32(1, int32(h.Kind))
	w.int32(2, h.Uncompressed)
	w.int32(3, h.Compressed)
	switch h.Kind {
	case DataPageV1:
		outer := w.begin(5)
		w.int32(1, h.Values)
		w.int32(2, int32(h.Encoding))
		w.int32(3, int32(h.DefEncoding))
		w.int32(4, int32(h.RepEncoding))
		w.end(outer)
	case IndexPage:
		w.end(w.begin(6))
	case DictionaryPage:
		outer := w.begin(7)
		w.int32(1, h.Values)
		w.int32(2, int32(h.Encoding))
		w.end(outer)
	case DataPageV2:
		outer := w.begin(8)
		w.int32(1, h.Values)
		w.int32(2, h.Nulls)
		w.int32(3, h.Rows)
		w.int32(4, int32(h.Encoding))
		w.int32(5, h.DefBytes)
		w.int32(6, h.RepBytes)
		w.bool(7, !h.V2Raw)
		w.end(outer)
	}
	return append(w.buf, compactStop)
}

// ReadHeader reads the header that src begins with and tells its length.
// Fields that it does not know are skipped. It returns ErrShort if src ends too
// early, so that the caller may come again with more, and ErrCorrupt if no more
// bytes can help.
func ReadHeader(src []byte) (h Header, n int, err error) {
	r := compactReader{src: src}
	var seen, want uint32
	seen = r.fields(func(id int16, kind byte) bool { return h.field(&r, id, kind) })
	if r.err == nil {
		switch h.Kind {
		case DataPageV1:
			want = 5
		case IndexPage:
			want = 6
		case DictionaryPage:
			want = 7
		case DataPageV2:
			want = 8
		}
		if need := uint32(1<<1 | 1<<2 | 1<<3 | 1<<want); seen&need != need {
			r.fail("page header lacks a required field")
		}
	}
	if r.err == nil {
		r.err = h.check()
	}
	if errors.Is(r.err, ErrShort) && len(src) >= MaxHeader {
		r.err = fmt.Errorf("%w: page header is too long", ErrCorrupt)
	}
	if r.err != nil {
		return Header{}, 0, r.err
	}
	return h, r.at, nil
}

// field reads a field of PageHeader.
func (h *Header) field(r *compactReader, id int16, kind byte) bool {
	switch id {
	case 1:
		var k int32
		r.int32(kind, &k)
		if k < 0 || k > int32(DataPageV2) {
			r.fail("unknown type of page")
		}
		h.Kind = Kind(k)
	case 2:
		r.int32(kind, &h.Uncompressed)
	case 3:
		r.int32(kind, &h.Compressed)
	case 5, 6, 7, 8:
		if kind != compactStruct {
			r.fail("wrong type of field")
			return true
		}
		h.part(r, id)
	default:
		return false
	}
	return true
}

// part reads the struct for one kind of page. Field ids of the header come in
// any order, so it does not rely on Kind.
func (h *Header) part(r *compactReader, part int16) {
	var need uint32
	seen := r.fields(func(id int16, kind byte) bool {
		switch {
		case part == 6:
			return false
		case id == 1:
			r.int32(kind, &h.Values)
		case part == 8:
			return h.fieldV2(r, id, kind)
		case id == 2:
			r.encoding(kind, &h.Encoding)
		case part == 5 && id == 3:
			r.encoding(kind, &h.DefEncoding)
		case part == 5 && id == 4:
			r.encoding(kind, &h.RepEncoding)
		default:
			return false
		}
		return true
	})
	switch part {
	case 5:
		need = 1<<1 | 1<<2 | 1<<3 | 1<<4
	case 7:
		need = 1<<1 | 1<<2
	case 8:
		need = 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6
	}
	if seen&need != need {
		r.fail("page header lacks a required field")
	}
}

func (h *Header) fieldV2(r *compactReader, id int16, kind byte) bool {
	switch id {
	case 2:
		r.int32(kind, &h.Nulls)
	case 3:
		r.int32(kind, &h.Rows)
	case 4:
		r.encoding(kind, &h.Encoding)
	case 5:
		r.int32(kind, &h.DefBytes)
	case 6:
		r.int32(kind, &h.RepBytes)
	case 7:
		if kind != compactTrue && kind != compactFalse {
			r.fail("wrong type of field")
		}
		h.V2Raw = kind == compactFalse
	default:
		return false
	}
	return true
}

func (h *Header) check() error {
	for _, n := range [...]int32{h.Uncompressed, h.Compressed, h.Values, h.Nulls, h.Rows, h.DefBytes, h.RepBytes} {
		if n < 0 {
			return fmt.Errorf("%w: negative size in the page header", ErrCorrupt)
		}
	}
	if h.Kind != DataPageV2 {
		return nil
	}
	levels := int64(h.DefBytes) + int64(h.RepBytes)
	if h.Nulls > h.Values || h.Rows > h.Values || levels > int64(h.Uncompressed) || levels > int64(h.Compressed) {
		return fmt.Errorf("%w: sizes in the page header contradict each other", ErrCorrupt)
	}
	return nil
}
