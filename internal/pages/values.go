package pages

import (
	"encoding/binary"
	"slices"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// addFixed adds values of fixed width in PLAIN.
func (c *column) addFixed(plain []byte) {
	c.raw += len(plain)
	if c.coding {
		c.indices = c.dict.addFixed(c.indices, plain)
		return
	}
	c.page = append(c.page, plain...)
	// The copy is aligned and still in the cache.
	c.observe(c.page[len(c.page)-len(plain):])
}

// observe takes values in PLAIN for statistics and Bloom filter.
func (c *column) observe(plain []byte) {
	if c.bounds != nil {
		c.bounds.fixed(plain)
	}
	if c.bloom != nil {
		hasher := c.bloom.Hasher()
		for ; len(plain) >= c.width; plain = plain[c.width:] {
			c.bloom.InsertHash(hasher.Sum64(plain[:c.width]))
		}
	}
}

func (d *dictTable) addFixed(indices []uint32, plain []byte) []uint32 {
	switch d.width {
	case 4:
		for ; len(plain) >= 4; plain = plain[4:] {
			indices = append(indices, d.word(uint64(binary.LittleEndian.Uint32(plain))))
		}
	case 8:
		for ; len(plain) >= 8; plain = plain[8:] {
			indices = append(indices, d.word(binary.LittleEndian.Uint64(plain)))
		}
	default:
		for ; len(plain) >= d.width; plain = plain[d.width:] {
			indices = append(indices, d.text(plain[:d.width]))
		}
	}
	return indices
}

// addBools adds booleans, which are bits in PLAIN as they are in Arrow. The
// page keeps its rows' bits behind the headroom.
func (c *column) addBools(src *source, from, to int) {
	yes, n := 0, 0
	for at := from; at < to; {
		start, end := at, to
		if src.bits != nil {
			if start, end = nextRun(src.bits, src.bit, at, to); start == end {
				break
			}
		}
		c.page = appendBits(c.page, headroom*8+c.flags, src.flags, src.bit+start, end-start)
		yes += countBits(src.flags, src.bit+start, end-start)
		c.flags += end - start
		n += end - start
		at = end
	}
	c.raw = (c.flags + 7) / 8
	if b, ok := c.bounds.(*boolBounds); ok {
		b.yes, b.no = b.yes || yes > 0, b.no || yes < n
	}
	if c.bloom != nil && yes > 0 {
		c.bloom.InsertHash(c.bloom.Hasher().Sum64([]byte{1}))
	}
	if c.bloom != nil && yes < n {
		c.bloom.InsertHash(c.bloom.Hasher().Sum64([]byte{0}))
	}
}

// addTexts adds byte arrays.
func addTexts[T int32 | int64](c *column, src *source, offsets []T, from, to int) {
	for at := from; at < to; {
		start, end := at, to
		if src.bits != nil {
			if start, end = nextRun(src.bits, src.bit, at, to); start == end {
				break
			}
		}
		run := offsets[start : end+1]
		c.raw += 4*(end-start) + int(run[end-start]-run[0])
		if c.coding {
			c.indices = addTextsCoded(&c.dict, c.indices, src.values, run)
		} else {
			c.page = appendTexts(c.page, src.values, run)
			observeTexts(c.texts, c.bloom, src.values, run)
		}
		at = end
	}
}

func addTextsCoded[T int32 | int64](d *dictTable, indices []uint32, values []byte, offsets []T) []uint32 {
	start := offsets[0]
	for _, end := range offsets[1:] {
		indices = append(indices, d.text(values[start:end]))
		start = end
	}
	return indices
}

// appendTexts appends byte arrays with their lengths. Short ones are copied
// as sixteen bytes, which is faster than as many as they have.
func appendTexts[T int32 | int64](page, values []byte, offsets []T) []byte {
	n := len(offsets) - 1
	page = slices.Grow(page, 4*n+int(offsets[n]-offsets[0])+16)
	at := len(page)
	page = page[:cap(page)]
	start := offsets[0]
	for _, end := range offsets[1:] {
		size := int(end - start)
		binary.LittleEndian.PutUint32(page[at:], uint32(size))
		at += 4
		if size <= 16 && int(start)+16 <= len(values) {
			*(*[16]byte)(page[at:]) = *(*[16]byte)(values[start:])
		} else {
			copy(page[at:], values[start:end])
		}
		at += size
		start = end
	}
	return page[:at]
}

// observeTexts takes byte arrays for statistics and Bloom filter.
func observeTexts[T int32 | int64](b *byteBounds, bloom metadata.BloomFilterBuilder, values []byte, offsets []T) {
	start := offsets[0]
	for _, end := range offsets[1:] {
		v := values[start:end:end]
		start = end
		if b != nil {
			b.value(v)
		}
		if bloom != nil {
			bloom.InsertHash(bloom.Hasher().Sum64(v))
		}
	}
	if b != nil {
		b.hold()
	}
}
