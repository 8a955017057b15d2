package pages

import (
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back matches reach. Pages are hardly longer, and the
// encoder keeps twice as much.
const zstdWindow = 1 << 20

// keptBytes is how much memory of columns a pool keeps at most.
const keptBytes = 128 << 20

// Pool keeps the memory of writers for those that follow: page buffers,
// dictionaries and compressors. It is safe for concurrent use.
type Pool struct {
	mu     sync.Mutex
	stores []*store
	bytes  int // of stores
	kits   []*tools
}

// NewPool returns an empty pool.
func NewPool() *Pool { return &Pool{} }

func (p *Pool) store() *store {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.stores); n > 0 {
		s := p.stores[n-1]
		p.stores = p.stores[:n-1]
		p.bytes -= s.bytes()
		return s
	}
	return &store{}
}

func (p *Pool) putStore(s *store) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := s.bytes(); p.bytes+n <= keptBytes {
		p.stores = append(p.stores, s)
		p.bytes += n
	}
}

// bytes is roughly what the store holds.
func (s *store) bytes() int {
	return 1<<10 + cap(s.page) + cap(s.valid) + 4*cap(s.indices) + cap(s.chunk) + cap(s.dict.body) + 16*len(s.dict.slots)
}

func (p *Pool) tools() *tools {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.kits); n > 0 {
		t := p.kits[n-1]
		p.kits = p.kits[:n-1]
		return t
	}
	return &tools{}
}

func (p *Pool) putTools(t *tools) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kits = append(p.kits, t)
}

// tools are what one goroutine needs while it encodes.
type tools struct {
	zstd   *zstd.Encoder
	level  zstd.EncoderLevel
	raw    []byte // values without nulls
	levels []byte
	body   []byte // a page before compression
	out    []byte // and after
}

// compress returns the compressed bytes, which are valid until the next call.
func (t *tools) compress(codec compress.Compression, level int, body []byte) (out []byte, err error) {
	switch codec {
	case compress.Codecs.Uncompressed:
		return body, nil
	case compress.Codecs.Zstd:
		enc, err := t.encoder(level)
		if err != nil {
			return nil, err
		}
		t.out = enc.EncodeAll(body, t.out[:0])
		return t.out, nil
	}
	impl, err := compress.GetCodec(codec)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	defer func() { // the codecs report errors so
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: compression %v failed: %v", ErrRefused, codec, p)
		}
	}()
	bound := int(impl.CompressBound(int64(len(body))))
	t.out = slices.Grow(t.out[:0], bound)
	return impl.EncodeLevel(t.out[:bound], body, level), nil
}

// encoder reads levels as other Parquet writers of Go do.
func (t *tools) encoder(level int) (*zstd.Encoder, error) {
	want := zstd.SpeedDefault
	if level != compress.DefaultCompressionLevel {
		want = zstd.EncoderLevelFromZstd(level)
	}
	if t.zstd != nil && t.level == want {
		return t.zstd, nil
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(want), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithWindowSize(zstdWindow), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true),
		zstd.WithAllLitEntropyCompression(true))
	if err != nil {
		return nil, err
	}
	t.zstd, t.level = enc, want
	return enc, nil
}
