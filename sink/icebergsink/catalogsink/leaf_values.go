package catalogsink

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/pages"
)

// fixed lays out values of fixed width as Arrow does. Where no row is null they
// are in place already.
func (l *leaf) fixed(b pages.Batch) []byte {
	if b.Nulls == 0 && b.Index == nil && aligned(b.Plain) {
		return b.Plain
	}
	w := l.width
	l.values = slices.Grow(l.values[:0], b.Rows*w)[:b.Rows*w]
	if b.Index == nil {
		copy(l.values, b.Plain)
	} else {
		plain, _ := l.Dictionary()
		for i, at := range b.Index {
			copy(l.values[i*w:(i+1)*w], plain[int(at)*w:])
		}
	}
	if b.Nulls > 0 {
		spread(l.values, b, w)
	}
	return l.values
}

// aligned reports whether values of eight bytes are where the machine wants them.
func aligned(b []byte) bool { return uintptr(unsafe.Pointer(unsafe.SliceData(b)))&7 == 0 }

// spread moves the values, which lie side by side, to their rows.
func spread(values []byte, b pages.Batch, w int) {
	for i, from := b.Rows-1, b.Rows-b.Nulls-1; from >= 0; i-- {
		if b.Valid[i>>3]&(1<<(i&7)) != 0 {
			copy(values[i*w:(i+1)*w], values[from*w:])
			from--
		}
	}
}

// maxText is how many bytes of text are laid out at a time. Dictionaries can
// make a few bytes in the file any number here.
const maxText = 256 << 20

// texts lays out values of variable length in offsets and data.
func (l *leaf) texts(b pages.Batch) error {
	if b.Index != nil {
		l.openTexts()
	}
	l.offsets = append(slices.Grow(l.offsets[:0], b.Rows+1), 0)
	l.data = l.data[:0]
	plain, next := b.Plain, 0
	for i := range b.Rows {
		switch {
		case b.Nulls > 0 && b.Valid[i>>3]&(1<<(i&7)) == 0:
		case b.Index != nil:
			at := b.Index[next]
			l.data = append(l.data, l.dict[l.terms[at]:l.terms[at+1]]...)
			next++
		default:
			n := 4 + binary.LittleEndian.Uint32(plain)
			l.data = append(l.data, plain[4:n]...)
			plain = plain[n:]
		}
		if len(l.data) > maxText {
			return fmt.Errorf("%w: long texts", pages.ErrForeign)
		}
		l.offsets = append(l.offsets, int32(len(l.data)))
	}
	return nil
}

// openTexts lays out the texts of the dictionary, once for a chunk.
func (l *leaf) openTexts() {
	if len(l.terms) > 0 {
		return
	}
	plain, n := l.Dictionary()
	l.terms, l.dict = append(slices.Grow(l.terms, n+1), 0), l.dict[:0]
	for range n {
		end := 4 + binary.LittleEndian.Uint32(plain)
		l.dict = append(l.dict, plain[4:end]...)
		l.terms = append(l.terms, int32(len(l.dict)))
		plain = plain[end:]
	}
}

// entries returns the entries of the dictionary as an array, which is valid
// until the leaf is opened again.
func (l *leaf) entries() arrow.Array {
	plain, n := l.Dictionary()
	if l.width > 0 {
		if !aligned(plain) {
			l.dict = append(l.dict[:0], plain...)
			plain = l.dict
		}
		return wrapped(l.typ, n, 0, []*memory.Buffer{nil, memory.NewBufferBytes(plain)})
	}
	l.openTexts()
	return wrapped(l.typ, n, 0, []*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(l.terms)), memory.NewBufferBytes(l.dict)})
}
