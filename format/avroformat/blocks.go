package avroformat

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// blocks reads a file block by block (Avro specification 1.12, "Object Container
// Files"): the frame of a block tells where the next one begins and how many records it
// has, whatever is wrong with these.
type blocks struct {
	r     *bufio.Reader
	sync  [16]byte
	codec ocf.Codec // nil where blocks are not compressed
	max   int64
}

// block is one that has records.
type block struct {
	records int64
	data    []byte // decompressed
	err     error  // of decompressing it
}

// zeroSlack is how many records a block may have beyond its bytes: records of nothing
// but nulls take none.
const zeroSlack = 4 << 10

var errFrame = errors.New("the frame of a block is broken")

// newBlocks begins behind the header of a file, which the library has read before.
func newBlocks(in io.Reader, header *ocf.Reader, limit int64) (*blocks, error) {
	b := &blocks{r: bufio.NewReaderSize(in, 64<<10), max: limit}
	switch string(header.Metadata()["avro.codec"]) {
	case "", "null":
	case "deflate":
		b.codec = ocf.DeflateCodec(1)
	case "snappy":
		b.codec = ocf.SnappyCodec()
	case "zstandard":
		var err error
		if b.codec, err = ocf.ZstdCodec(nil, nil); err != nil {
			return nil, err
		}
	default:
		return nil, errFrame
	}
	return b, b.header()
}

// header passes over magic number and metadata.
func (b *blocks) header() error {
	if err := b.skip(4); err != nil {
		return err
	}
	for {
		n, err := binary.ReadVarint(b.r)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		if n < 0 { // a size follows
			n = -n
			if _, err := binary.ReadVarint(b.r); err != nil {
				return err
			}
		}
		for range 2 * n {
			size, err := binary.ReadVarint(b.r)
			if err == nil {
				err = b.skip(size)
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := io.ReadFull(b.r, b.sync[:])
	return err
}

func (b *blocks) skip(n int64) error {
	if n < 0 || n > math.MaxInt32 {
		return errFrame
	}
	_, err := b.r.Discard(int(n))
	return err
}

func (b *blocks) close() {
	if b.codec != nil {
		_ = b.codec.Close()
	}
}

// next returns the next block with records, or io.EOF at the end of the last one.
func (b *blocks) next() (block, error) {
	for {
		records, err := binary.ReadVarint(b.r)
		if errors.Is(err, io.EOF) {
			return block{}, io.EOF
		}
		data, rest := b.payload(records, err)
		if rest != nil || records == 0 {
			if rest == nil {
				continue
			}
			return block{}, fmt.Errorf("%w: %w", errFrame, noEOF(rest))
		}
		out := block{records: records, data: data}
		if bounded, ok := b.codec.(ocf.BoundedDecompressor); ok {
			out.err = guard(func() (err error) {
				out.data, err = bounded.DecompressBounded(data, b.max)
				return err
			})
		}
		if out.err != nil {
			out.data = nil // what there is of it depends on the codec
		}
		if out.err == nil && records > int64(len(out.data))+zeroSlack {
			return block{}, errFrame
		}
		return out, nil
	}
}

// payload reads what stands between the number of a block's records and the next block.
func (b *blocks) payload(records int64, err error) ([]byte, error) {
	var size int64
	if err == nil {
		size, err = binary.ReadVarint(b.r)
	}
	if err != nil {
		return nil, err
	}
	if records < 0 || size < 0 || size > b.max {
		return nil, errFrame
	}
	data, err := readSized(b.r, size)
	if err != nil {
		return nil, err
	}
	var sync [16]byte
	if _, err := io.ReadFull(b.r, sync[:]); err != nil {
		return nil, err
	}
	if sync != b.sync {
		return nil, errFrame
	}
	return data, nil
}

// readSized reads so many bytes, of which it does not believe that they are there.
func readSized(r io.Reader, size int64) ([]byte, error) {
	const believed = 1 << 20
	data := make([]byte, 0, min(size, believed))
	for int64(len(data)) < size {
		from := len(data)
		to := from + int(min(size-int64(from), max(believed, int64(from))))
		data = append(data, make([]byte, to-from)...)
		if _, err := io.ReadFull(r, data[from:]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// noEOF keeps the end of a file within a block apart from that behind the last one.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// records decodes the records of a block. bad is called for those that cannot be told
// apart: the first of them, how many there are, their bytes and why.
func (s *scan) records(schema *avro.Schema, b block, good func(rec any) error, bad func(n int64, rest []byte, why error) error) error {
	if b.err != nil {
		return bad(b.records, b.data, b.err)
	}
	empty := 0
	for left := b.records; left > 0; left-- {
		var rec any
		var rest []byte
		err := guard(func() (err error) {
			rest, err = schema.Decode(b.data, &rec)
			return err
		})
		if empty++; err != nil || len(rest) < len(b.data) {
			empty = 0
		}
		switch {
		case err == nil && empty > zeroSlack, err == nil && left == 1 && len(rest) > 0:
			err = errFrame // records of no bytes, or bytes of no record
		case err == nil:
			b.data = rest
			if err := good(rec); err != nil {
				return err
			}
			continue
		}
		return bad(left, b.data, err)
	}
	return nil
}
