package rowkey

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// Form is how a [Table] and a [Batch] hold encoded tuples.
type Form uint8

// The forms. Words hold the encoded bytes as a big-endian number, so that they
// compare as the bytes do.
const (
	Word  Form = iota // up to 8 bytes, of fixed width
	Pair              // 9 to 16 bytes, of fixed width: two words, the high one first
	Bytes             // anything else
)

// Codec encodes tuples of columns of given types.
type Codec struct {
	types  []arrow.DataType
	widths []int // 0 is varying
	form   Form
	width  int // of the tuple, unless the form is Bytes
}

// NewCodec returns the codec of columns of the types. It fails on types that are
// no column types of a table.
func NewCodec(types ...arrow.DataType) (*Codec, error) {
	c := &Codec{types: types, widths: make([]int, len(types))}
	fixed := true
	for i, t := range types {
		w, ok := width(t)
		if !ok {
			return nil, fmt.Errorf("column type %v cannot be part of a key or an order", t)
		}
		c.widths[i] = w
		c.width += w
		fixed = fixed && w > 0
	}
	switch {
	case fixed && c.width <= 8:
		c.form = Word
	case fixed && c.width <= 16:
		c.form = Pair
	default:
		c.form = Bytes
	}
	return c, nil
}

// Form returns the form of the codec's batches.
func (c *Codec) Form() Form { return c.form }

// Width returns the number of bytes of each encoded tuple, 0 where they vary.
func (c *Codec) Width() int {
	if c.form == Bytes {
		return 0
	}
	return c.width
}

// width returns the number of bytes of encoded values of a type, 0 where they vary.
func width(t arrow.DataType) (int, bool) {
	switch t.ID() {
	case arrow.BOOL:
		return 1, true
	case arrow.DATE32:
		return 4, true
	case arrow.INT32, arrow.INT64, arrow.TIMESTAMP, arrow.FLOAT32, arrow.FLOAT64:
		return 8, true
	case arrow.DECIMAL128:
		return 16, true
	case arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.LARGE_BINARY:
		return 0, true
	case arrow.FIXED_SIZE_BINARY:
		return t.(*arrow.FixedSizeBinaryType).ByteWidth, true
	case arrow.EXTENSION:
		return width(t.(arrow.ExtensionType).StorageType())
	}
	return 0, false
}

// AppendWord appends the bytes that a word stands for.
func (c *Codec) AppendWord(dst []byte, word uint64) []byte { return appendWord(dst, word, c.width) }

func appendWord(dst []byte, word uint64, width int) []byte {
	for i := width - 1; i >= 0; i-- {
		dst = append(dst, byte(word>>(8*i)))
	}
	return dst
}

// WordOf returns the word that stands for encoded bytes, if they have the
// codec's width.
func (c *Codec) WordOf(b []byte) (uint64, bool) {
	if c.form != Word || len(b) != c.width {
		return 0, false
	}
	return word(b), true
}

func word(b []byte) uint64 {
	var w uint64
	for _, x := range b {
		w = w<<8 | uint64(x)
	}
	return w
}
