package rowkey

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Batch holds the encoded tuples of the rows of a batch of columns. It can be
// filled again and again.
type Batch struct {
	form  Form
	width int
	n     int
	// Words has one word for each tuple, or two, the high one first.
	Words []uint64
	data  []byte
	ends  []int
	// Nulls tells which tuples have a null in them; nil where none has. What such
	// tuples are encoded as means nothing.
	Nulls []bool
	nulls []bool // memory of Nulls
}

// Len is the number of tuples.
func (b *Batch) Len() int { return b.n }

// Null reports whether tuple i has a null in it.
func (b *Batch) Null(i int) bool { return b.Nulls != nil && b.Nulls[i] }

// Word returns tuple i of a batch of words.
func (b *Batch) Word(i int) uint64 { return b.Words[i] }

// Append appends the bytes of tuple i.
func (b *Batch) Append(dst []byte, i int) []byte {
	switch b.form {
	case Word:
		return appendWord(dst, b.Words[i], b.width)
	case Pair:
		return appendWord(appendWord(dst, b.Words[2*i], b.width-8), b.Words[2*i+1], 8)
	default:
		return append(dst, b.Bytes(i)...)
	}
}

// Bytes returns tuple i of a batch whose form is Bytes.
func (b *Batch) Bytes(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.data[from:b.ends[i]]
}

// Equal reports whether tuple i is tuple j of another batch of the same codec.
func (b *Batch) Equal(i int, o *Batch, j int) bool {
	switch b.form {
	case Word:
		return b.Words[i] == o.Words[j]
	case Pair:
		return b.Words[2*i] == o.Words[2*j] && b.Words[2*i+1] == o.Words[2*j+1]
	default:
		return bytes.Equal(b.Bytes(i), o.Bytes(j))
	}
}

// Encode fills b with the rows of the columns. It fails on columns that are not
// encoded as those of the codec.
func (c *Codec) Encode(b *Batch, cols []arrow.Array) error {
	if len(cols) != len(c.types) {
		return fmt.Errorf("%d columns, expected %d", len(cols), len(c.types))
	}
	b.form, b.width, b.n = c.form, c.width, 0
	if len(cols) > 0 {
		b.n = cols[0].Len()
	}
	for i, col := range cols {
		if w, ok := width(col.DataType()); !ok || w != c.widths[i] || col.Len() != b.n {
			return fmt.Errorf("column of type %v, expected %v", col.DataType(), c.types[i])
		}
	}
	b.setNulls(cols)
	switch c.form {
	case Word:
		return b.encodeWords(cols, c.widths)
	case Pair:
		return b.encodePairs(cols, c.widths)
	default:
		return b.encodeBytes(cols)
	}
}

func (b *Batch) setNulls(cols []arrow.Array) {
	b.Nulls = nil
	for _, col := range cols {
		if col.NullN() == 0 {
			continue
		}
		if b.Nulls == nil {
			b.nulls = sized(b.nulls, b.n)
			clear(b.nulls)
			b.Nulls = b.nulls
		}
		for i := range b.Nulls {
			if col.IsNull(i) {
				b.Nulls[i] = true
			}
		}
	}
}

func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

func (b *Batch) encodeWords(cols []arrow.Array, widths []int) error {
	b.Words = sized(b.Words, b.n)
	if len(cols) != 1 {
		clear(b.Words)
	}
	for c, col := range cols {
		if len(cols) == 1 && fillWords(col, b.Words) {
			continue
		}
		if c == 0 {
			clear(b.Words)
		}
		shift := 8 * widths[c]
		piece, err := pieceOf(col)
		if err != nil {
			return err
		}
		for i := range b.Words {
			b.Words[i] = b.Words[i]<<shift | piece.low(i)
		}
	}
	return nil
}

// fillWords encodes a lone column of one of the usual types.
func fillWords(col arrow.Array, words []uint64) bool {
	switch a := col.(type) {
	case *array.Int64:
		for i, v := range a.Int64Values() {
			words[i] = uint64(v) ^ 1<<63
		}
	case *array.Timestamp:
		for i, v := range a.TimestampValues() {
			words[i] = uint64(v) ^ 1<<63
		}
	case *array.Int32:
		for i, v := range a.Int32Values() {
			words[i] = uint64(int64(v)) ^ 1<<63
		}
	case *array.Date32:
		for i, v := range a.Date32Values() {
			words[i] = uint64(uint32(v) ^ 1<<31)
		}
	default:
		return false
	}
	return true
}

func (b *Batch) encodePairs(cols []arrow.Array, widths []int) error {
	b.Words = sized(b.Words, 2*b.n)
	clear(b.Words)
	for c, col := range cols {
		piece, err := pieceOf(col)
		if err != nil {
			return err
		}
		if widths[c] > 8 {
			shift := 8 * (widths[c] - 8)
			for i := range b.n {
				hi, lo := piece.both(i)
				b.Words[2*i] = b.Words[2*i+1]<<shift | hi
				b.Words[2*i+1] = lo
			}
			continue
		}
		shift := 8 * widths[c]
		for i := range b.n {
			hi, lo := b.Words[2*i], b.Words[2*i+1]
			b.Words[2*i] = hi<<shift | lo>>(64-shift)
			b.Words[2*i+1] = lo<<shift | piece.low(i)
		}
	}
	return nil
}

func (b *Batch) encodeBytes(cols []arrow.Array) error {
	b.data, b.ends = b.data[:0], sized(b.ends, b.n)
	if s, ok := lone(cols).(*array.String); ok {
		for i := range b.n {
			b.data = appendText(b.data, s.Value(i))
			b.ends[i] = len(b.data)
		}
		return nil
	}
	pieces := make([]piece, len(cols))
	for i, col := range cols {
		p, err := pieceOf(col)
		if err != nil {
			return err
		}
		pieces[i] = p
	}
	for i := range b.n {
		for c := range pieces {
			b.data = pieces[c].append(b.data, i)
		}
		b.ends[i] = len(b.data)
	}
	return nil
}

func lone(cols []arrow.Array) arrow.Array {
	if len(cols) != 1 {
		return nil
	}
	return cols[0]
}

// appendText escapes zero bytes, so that a shorter text sorts before every
// longer one that it begins, whatever follows in the tuple.
func appendText(dst []byte, s string) []byte {
	for {
		i := strings.IndexByte(s, 0)
		if i < 0 {
			dst = append(dst, s...)
			return append(dst, 0, 1)
		}
		dst = append(dst, s[:i+1]...)
		dst = append(dst, 0xff)
		s = s[i+1:]
	}
}

// Hash sets out to the hashes of a batch's tuples.
func (c *Codec) Hash(seed *Seed, b *Batch, out []uint64) []uint64 {
	out = sized(out, b.n)
	switch c.form {
	case Word:
		for i, w := range b.Words {
			out[i] = seed.word(w)
		}
	case Pair:
		for i := range out {
			out[i] = seed.pair(b.Words[2*i], b.Words[2*i+1])
		}
	default:
		for i := range out {
			out[i] = maphash.Bytes(seed.bytes, b.Bytes(i))
		}
	}
	return out
}
