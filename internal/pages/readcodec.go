package pages

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// slack is what the zstd decoder likes to have behind its output: then it may
// copy in blocks.
const slack = 64

// inflater decompresses pages into memory that is used again.
type inflater struct {
	kind  compress.Compression
	codec compress.Codec
	zstd  *zstd.Decoder
}

func (d *inflater) use(kind compress.Compression) (err error) {
	d.kind = kind
	switch kind {
	case compress.Codecs.Uncompressed:
		return nil
	case compress.Codecs.Zstd:
		if d.zstd == nil { // never writes beyond what it is given
			d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true),
				zstd.WithDecoderMaxMemory(maxReadPage))
		}
		return err
	case compress.Codecs.Snappy, compress.Codecs.Gzip, compress.Codecs.Lz4Raw:
		if d.codec, err = compress.GetCodec(kind); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: codec %v", ErrForeign, kind)
}

// owns reports whether what decode returns is memory apart from its input.
func (d *inflater) owns() bool { return d.kind != compress.Codecs.Uncompressed }

// decode returns the size bytes that src holds, in dst if they fit there.
// Without compression it returns src itself.
func (d *inflater) decode(dst, src []byte, size int) (out []byte, err error) {
	if d.kind == compress.Codecs.Uncompressed {
		if len(src) != size {
			return nil, errReadSize
		}
		return src, nil
	}
	if size > maxReadPage {
		return nil, fmt.Errorf("%w: large pages", ErrForeign)
	}
	if err := d.plausible(src, size); err != nil {
		return nil, err
	}
	if cap(dst) < size+slack {
		dst = make([]byte, size+slack)
	}
	switch d.kind {
	case compress.Codecs.Zstd:
		out, err = d.zstd.DecodeAll(src, dst[:0:size+slack])
	default:
		out, err = compress.Decode(d.codec, dst[:size], src)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if len(out) != size {
		return nil, errReadSize
	}
	return out, nil
}

// plausible refuses sizes that src cannot have, before memory is taken for them.
func (d *inflater) plausible(src []byte, size int) error {
	most := 0 // times the size of src
	switch d.kind {
	case compress.Codecs.Zstd:
		most = 1 << 15 // RFC 8878: a repeated byte takes 4 bytes for up to 128 KiB
	case compress.Codecs.Gzip:
		most = 1032 // RFC 1951: a match of 258 bytes takes two bits
	case compress.Codecs.Lz4Raw:
		most = 256 // a match of 255 bytes more takes a byte
	case compress.Codecs.Snappy:
		if n, _ := binary.Uvarint(src); n != uint64(size) {
			return errReadSize
		}
		most = 64 // a match of 64 bytes takes two or three
	}
	if size > most*len(src)+64 {
		return errReadSize
	}
	return nil
}

var errReadSize = fmt.Errorf("%w: page has another size than its header says", ErrCorrupt)
