package pages

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"
)

// checkChunk reads arbitrary bytes as a column chunk: it either gives the rows
// that were asked for or one of the two errors.
func checkChunk(t *testing.T, r *Reader, data []byte, e Extent) {
	err := r.Open(bytes.NewReader(data), int64(len(data)), e)
	var rows int64
	for err == nil {
		if _, err = r.Next(); err != nil {
			break
		}
		for r.Left() > 0 && err == nil {
			n := min(r.Left(), 1000)
			var b Batch
			if b, err = r.Take(n); err == nil {
				require.Equal(t, n, b.Rows)
				require.LessOrEqual(t, b.Nulls, n)
				if b.Index == nil && e.Width > 0 {
					require.Len(t, b.Plain, (n-b.Nulls)*e.Width)
				}
				rows += int64(n)
			}
		}
	}
	if errors.Is(err, ErrCorrupt) || errors.Is(err, ErrForeign) {
		return
	}
	require.ErrorContains(t, err, "EOF")
	require.Equal(t, e.Rows, rows)
}

// fuzzExtent makes an extent of whatever numbers come.
func fuzzExtent(data []byte, kind, codec byte, optional bool, rows uint16) Extent {
	kinds := []Extent{
		{Type: parquet.Types.Int32, Width: 4}, {Type: parquet.Types.Int64, Width: 8}, {Type: parquet.Types.ByteArray},
		{Type: parquet.Types.FixedLenByteArray, Width: 5}, {Type: parquet.Types.Boolean},
	}
	e := kinds[int(kind)%len(kinds)]
	e.Length, e.Rows, e.Optional, e.Codec = int64(len(data)), int64(rows), optional, readCodecs[int(codec)%len(readCodecs)]
	return e
}

func FuzzChunk(f *testing.F) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for bits := range 8 {
		for codec, kind := range readCodecs {
			c := readCase{nulls: bits&1 > 0, dict: bits&2 > 0, v2: bits&4 > 0, codec: kind, rows: 150, group: 150}
			data := c.file(f, c.columns(rnd))
			in, err := file.NewParquetReader(bytes.NewReader(data))
			require.NoError(f, err)
			for kind, col := range []int{0, 1, 4, 5} {
				e := extent(f, in, 0, col)
				f.Add(data[e.Offset:e.Offset+e.Length], byte(kind), byte(codec), e.Optional, uint16(e.Rows))
			}
		}
	}
	var r Reader
	f.Fuzz(func(t *testing.T, data []byte, kind, codec byte, optional bool, rows uint16) {
		checkChunk(t, &r, data, fuzzExtent(data, kind, codec, optional, rows))
	})
}

// Real chunks with bytes changed, cut off and repeated never make the Reader panic.
func TestMutatedChunks(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(7, 8))
	var r Reader
	for bits := range 8 {
		for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Zstd, compress.Codecs.Snappy} {
			c := readCase{nulls: bits&1 > 0, dict: bits&2 > 0, v2: bits&4 > 0, codec: codec, rows: 400, group: 400}
			data := c.file(t, c.columns(rnd))
			in, err := file.NewParquetReader(bytes.NewReader(data))
			require.NoError(t, err)
			for col := range in.MetaData().Schema.NumColumns() {
				e := extent(t, in, 0, col)
				chunk := data[e.Offset : e.Offset+e.Length]
				for range 60 {
					mutated := mutate(rnd, bytes.Clone(chunk))
					e.Offset, e.Length = 0, int64(len(mutated))
					t.Logf("%v: column %d", c, col)
					checkChunk(t, &r, mutated, e)
				}
			}
		}
	}
}

func mutate(rnd *rand.Rand, b []byte) []byte {
	for range 1 + rnd.IntN(3) {
		at := rnd.IntN(len(b))
		if rnd.IntN(2) == 0 { // headers are at the beginning, mostly
			at = rnd.IntN(min(40, len(b)))
		}
		switch rnd.IntN(5) {
		case 0:
			b = b[:at+1]
		case 1:
			b = append(b[:at:at], b[at/2:]...)
		case 2:
			b[at] = 0xff
		default:
			b[at] ^= 1 << rnd.IntN(8)
		}
	}
	return b
}

// A hybrid of runs and groups of any width is what was encoded.
func TestHybrid(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(9, 10))
	for width := range 33 {
		var src []byte
		var all []uint32
		for range 20 {
			v := uint32(rnd.Uint64() & (1<<width - 1))
			if n := 1 + rnd.IntN(40); rnd.IntN(2) == 0 {
				src = append(src, byte(n<<1))
				for i := range (width + 7) / 8 {
					src = append(src, byte(v>>(8*i)))
				}
				for range n {
					all = append(all, v)
				}
				continue
			}
			groups := 1 + rnd.IntN(4)
			packed := make([]byte, groups*width)
			for i := range groups * 8 {
				v := uint32(rnd.Uint64() & (1<<width - 1))
				all = append(all, v)
				for j := range width {
					packed[(i*width+j)/8] |= byte(v >> j & 1 << ((i*width + j) % 8))
				}
			}
			src = append(append(src, byte(groups<<1|1)), packed...)
		}
		h := NewHybrid(src, width)
		for at := 0; at < len(all); {
			n := min(len(all)-at, 1+rnd.IntN(50))
			if rnd.IntN(3) == 0 {
				require.NoError(t, h.Skip(n))
			} else {
				got := make([]uint32, n)
				require.NoError(t, h.Read(got), width)
				require.Equal(t, all[at:at+n], got, fmt.Sprint(width, " ", at))
			}
			at += n
		}
		require.ErrorIs(t, h.Read(make([]uint32, 1)), ErrCorrupt)
	}
}
