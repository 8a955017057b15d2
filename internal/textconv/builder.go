package textconv

import (
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// validity counts values and keeps the bitmap of those that are not null. There
// is no bitmap until there is a null.
type validity struct {
	n, nulls int
	bitmap   []byte
}

func (v *validity) Len() int { return v.n }

func (v *validity) valid() {
	if v.bitmap != nil {
		v.push(1)
	}
	v.n++
}

func (v *validity) null() {
	if v.bitmap == nil {
		v.bitmap = make([]byte, (v.n+7)/8, v.n/8+64)
		for i := range v.bitmap {
			v.bitmap[i] = 0xff
		}
		if r := v.n % 8; r > 0 {
			v.bitmap[len(v.bitmap)-1] = 1<<r - 1
		}
	}
	v.push(0)
	v.n++
	v.nulls++
}

func (v *validity) push(bit byte) { v.bitmap = pushBit(v.bitmap, v.n, bit) }

// pushBit sets bit i, which is the first one that the bitmap does not have yet.
func pushBit(bitmap []byte, i int, bit byte) []byte {
	if i%8 == 0 {
		return append(bitmap, bit)
	}
	bitmap[i/8] |= bit << (i % 8)
	return bitmap
}

// data returns the values as Arrow data and starts over.
func (v *validity) data(dt arrow.DataType, buffers ...[]byte) arrow.ArrayData {
	bufs := make([]*memory.Buffer, 1, len(buffers)+1)
	if v.nulls > 0 {
		bufs[0] = memory.NewBufferBytes(v.bitmap)
	}
	for _, b := range buffers {
		bufs = append(bufs, memory.NewBufferBytes(b))
	}
	d := array.NewData(dt, v.n, bufs, nil, v.nulls, 0)
	*v = validity{}
	return d
}

func makeArray(d arrow.ArrayData) arrow.Array {
	defer d.Release()
	return array.MakeFromData(d)
}

// fixed collects values of a fixed width.
type fixed[T arrow.FixedWidthType] struct {
	validity
	values []T
	room   room
}

func (f *fixed[T]) add(v T) {
	f.values = append(f.values, v)
	f.valid()
}

// AppendNull implements Builder.
func (f *fixed[T]) AppendNull() {
	var zero T
	f.values = append(f.values, zero)
	f.null()
}

// Bytes implements Builder.
func (f *fixed[T]) Bytes() int {
	var zero T
	return len(f.values) * int(unsafe.Sizeof(zero))
}

func (f *fixed[T]) newArray(dt arrow.DataType) arrow.Array {
	values := f.values
	f.room.of(len(values))
	f.values = nil
	return makeArray(f.data(dt, arrow.GetBytes(values)))
}

// variable collects values of varying length.
type variable struct {
	validity
	offsets []int32
	bytes   []byte
	// rooms of the two
	ends, texts room
}

// ended is called when the value's bytes have been appended.
func (v *variable) ended() {
	v.begin()
	v.offsets = append(v.offsets, int32(len(v.bytes)))
	v.valid()
}

func (v *variable) begin() {
	if len(v.offsets) == 0 {
		v.offsets = append(make([]int32, 0, v.ends.first(2)), 0)
		if v.bytes == nil {
			v.bytes = make([]byte, 0, v.texts.first(0))
		}
	}
}

// AppendNull implements Builder.
func (v *variable) AppendNull() {
	v.begin()
	v.offsets = append(v.offsets, int32(len(v.bytes)))
	v.null()
}

// Bytes implements Builder.
func (v *variable) Bytes() int { return len(v.bytes) + 4*len(v.offsets) }

func (v *variable) newArray(dt arrow.DataType) arrow.Array {
	v.begin()
	offsets, bytes := v.offsets, v.bytes
	v.ends.of(len(offsets))
	v.texts.of(len(bytes))
	v.offsets, v.bytes = nil, nil
	return makeArray(v.data(dt, arrow.GetBytes(offsets), bytes))
}

// room remembers how much the last batches took, so that the next one is given
// as much at once.
type room struct{ most int }

// of is called with what a batch took.
func (r *room) of(n int) {
	const limit = 1 << 20 // a batch out of the ordinary
	r.most = min(max(n, r.most-r.most/8), limit)
}

// first returns the capacity to begin a batch with, when n are to come at least.
func (r *room) first(n int) int { return max(n, r.most+r.most/16) }
