package pages

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/parquet"
)

// Types of fields in Thrift's compact protocol
// (thrift/doc/specs/thrift-compact-protocol.md).
const (
	compactStop   = 0
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactInt16  = 4
	compactInt32  = 5
	compactInt64  = 6
	compactDouble = 7
	compactBinary = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12
	compactUUID   = 13
)

// compactDepth bounds how deep structs and lists are nested in what is skipped.
const compactDepth = 16

// compactWriter writes structs with ascending field ids below 16.
type compactWriter struct {
	buf  []byte
	last byte
}

func (w *compactWriter) field(id, kind byte) {
	w.buf = append(w.buf, (id-w.last)<<4|kind)
	w.last = id
}

func (w *compactWriter) int32(id byte, v int32) {
	w.field(id, compactInt32)
	w.buf = binary.AppendUvarint(w.buf, uint64(uint32(v)<<1^uint32(v>>31)))
}

func (w *compactWriter) bool(id byte, v bool) {
	if v {
		w.field(id, compactTrue)
	} else {
		w.field(id, compactFalse)
	}
}

// begin opens a struct; end takes what it returns.
func (w *compactWriter) begin(id byte) (outer byte) {
	w.field(id, compactStruct)
	w.last = 0
	return id
}

func (w *compactWriter) end(outer byte) {
	w.buf = append(w.buf, compactStop)
	w.last = outer
}

// compactReader reads from src. After an error it reads nothing more.
type compactReader struct {
	src   []byte
	at    int
	depth int
	err   error
}

func (r *compactReader) fail(rule string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrCorrupt, rule)
	}
}

func (r *compactReader) byte() byte {
	if r.err == nil && r.at >= len(r.src) {
		r.err = ErrShort
	}
	if r.err != nil {
		return 0
	}
	r.at++
	return r.src[r.at-1]
}

func (r *compactReader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.src[r.at:])
	switch {
	case n == 0:
		r.err = ErrShort
	case n < 0:
		r.fail("number is too long")
	default:
		r.at += n
		return v
	}
	return 0
}

func (r *compactReader) skipBytes(n uint64) {
	switch {
	case r.err != nil:
	case n > MaxHeader:
		r.fail("page header is too long")
	case n > uint64(len(r.src)-r.at):
		r.err = ErrShort
	default:
		r.at += int(n)
	}
}

// fields calls read for every field of a struct and skips those for which it
// returns false. It tells which ids below 32 were there, as a bit set.
func (r *compactReader) fields(read func(id int16, kind byte) bool) (seen uint32) {
	if r.depth++; r.depth > compactDepth {
		r.fail("page header is nested too deeply")
	}
	defer func() { r.depth-- }()
	id := int16(0)
	for r.err == nil {
		b := r.byte()
		if r.err != nil || b == compactStop {
			break
		}
		if delta := b >> 4; delta != 0 {
			id += int16(delta)
		} else {
			v := r.uvarint()
			id = int16(v>>1) ^ -int16(v&1)
		}
		if id > 0 && id < 32 {
			seen |= 1 << id
		}
		if kind := b & 15; r.err == nil && !read(id, kind) {
			r.skip(kind)
		}
	}
	return seen
}

func (r *compactReader) skip(kind byte) {
	switch kind {
	case compactTrue, compactFalse:
	case compactByte:
		r.skipBytes(1)
	case compactInt16, compactInt32, compactInt64:
		r.uvarint()
	case compactDouble:
		r.skipBytes(8)
	case compactBinary:
		r.skipBytes(r.uvarint())
	case compactUUID:
		r.skipBytes(16)
	case compactList, compactSet:
		head := r.byte()
		n := uint64(head >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		r.skipItems(n, head&15)
	case compactMap:
		if n := r.uvarint(); n > 0 {
			kinds := r.byte()
			r.skipItems(n, kinds>>4, kinds&15)
		}
	case compactStruct:
		r.fields(func(int16, byte) bool { return false })
	default:
		r.fail("unknown type of field")
	}
}

// skipItems skips the items of a list or a map. Each takes a byte at least, so
// the loop ends with the bytes.
func (r *compactReader) skipItems(n uint64, kinds ...byte) {
	if r.depth++; r.depth > compactDepth {
		r.fail("page header is nested too deeply")
	}
	defer func() { r.depth-- }()
	for ; n > 0 && r.err == nil; n-- {
		for _, kind := range kinds {
			if kind == compactTrue || kind == compactFalse {
				kind = compactByte
			}
			r.skip(kind)
		}
	}
}

func (r *compactReader) int32(kind byte, to *int32) {
	if kind != compactInt32 {
		r.fail("wrong type of field")
		return
	}
	v := r.uvarint()
	if v > math.MaxUint32 {
		r.fail("number is too large")
		return
	}
	*to = int32(uint32(v)>>1) ^ -int32(v&1)
}

func (r *compactReader) encoding(kind byte, to *parquet.Encoding) {
	var v int32
	r.int32(kind, &v)
	if v < 0 {
		r.fail("unknown encoding")
	}
	*to = parquet.Encoding(v)
}
