package format

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	etl "github.com/tidemark-data/etl"
)

// maxZstdWindow is the greatest window that zstd itself makes unasked (--long).
const maxZstdWindow = 128 << 20

var errShort = errors.New("input ends before its size")

// ratioFrom is the size from which the ratio is looked at.
const ratioFrom = 1 << 20

// textReader reads an input from its start, decompressed.
type textReader struct {
	raw      *rawReader
	r        io.Reader
	close    func()
	kind     string // of compression; empty for none
	n        int64  // bytes read so far
	maxBytes int64
	maxRatio int64
}

func openText(in etl.Input, maxBytes, maxRatio int64) (*textReader, error) {
	raw := &rawReader{in: in}
	t := &textReader{raw: raw, r: raw, close: func() {}, maxBytes: maxBytes, maxRatio: maxRatio}
	var magic [4]byte
	n, err := in.ReadAt(magic[:min(4, in.Size())], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case n >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		t.kind = "gzip"
		z, err := gzip.NewReader(bufio.NewReaderSize(raw, readAhead(in)))
		if err != nil {
			return nil, t.corrupt(err)
		}
		t.r = z
	case n == 4 && isZstd(magic):
		t.kind = "zstd"
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, t.corrupt(err)
		}
		t.r, t.close = z, z.Close
	}
	return t, nil
}

// isZstd knows the magic numbers of frames and of skippable frames (RFC 8878,
// sections 3.1.1 and 3.1.2).
func isZstd(m [4]byte) bool {
	return m == [4]byte{0x28, 0xb5, 0x2f, 0xfd} || m[0]&0xf0 == 0x50 && m[1] == 0x2a && m[2] == 0x4d && m[3] == 0x18
}

func readAhead(in etl.Input) int { return int(min(256<<10, in.Size()+1)) }

// Read implements io.Reader.
func (t *textReader) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.n += int64(n)
	if t.kind == "" {
		return n, err
	}
	if err != nil && err != io.EOF {
		return n, t.corrupt(err)
	}
	switch {
	case t.maxBytes > 0 && t.n > t.maxBytes:
		return n, badInput(fmt.Sprintf("decompresses to more than %d bytes", t.maxBytes))
	case t.maxRatio > 0 && t.n > ratioFrom && t.n/t.maxRatio > t.raw.off:
		return n, badInput(fmt.Sprintf("decompresses to more than %d times its size", t.maxRatio))
	}
	return n, err
}

// corrupt tells an error of the decompressor from one of the input.
func (t *textReader) corrupt(err error) error {
	if t.raw.err != nil {
		return t.raw.err
	}
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		return badInput(fmt.Sprintf("zstd window is larger than %d bytes", maxZstdWindow))
	}
	return badInput("truncated or corrupt " + t.kind)
}

// Close releases the decompressor.
func (t *textReader) Close() { t.close() }

// rawReader reads an input from its start and remembers its first error.
type rawReader struct {
	in  etl.Input
	off int64
	err error
}

// Read implements io.Reader.
func (r *rawReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	left := r.in.Size() - r.off
	if left <= 0 {
		return 0, io.EOF
	}
	n, err := r.in.ReadAt(p[:min(int64(len(p)), left)], r.off)
	r.off += int64(n)
	if errors.Is(err, io.EOF) {
		err = nil
		if int64(n) < min(int64(len(p)), left) {
			err = errShort // not io.ErrUnexpectedEOF: io.ReadFull means the end by it
		}
	}
	r.err = err
	return n, err
}
