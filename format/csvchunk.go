package format

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"

	etl "github.com/tidemark-data/etl"
)

// csvChunks cuts one file into chunks. The cutter reads the text and counts
// quotes; everything else is left to the scans of the chunks. In text without
// mistakes a line break ends a record exactly where the number of quotes before
// it is even, and a mistake lies in the chunk that has the first one.
type csvChunks struct {
	csv  CSV
	ctx  context.Context
	in   etl.Input
	req  etl.ScanRequest
	head *csvScan // has read the header; scans of chunks take its columns
	text io.Reader
	rest []byte // read, but in no chunk yet
	off  int64  // of rest
	size int    // of a chunk, unless a record is longer
	end  bool   // nothing more to read

	known []etl.Chunk
	seen  int

	mu   sync.Mutex
	idle []*csvScan
	free [][]byte
}

var _ etl.ChunkedFormat = CSV{}

// Chunks implements [etl.ChunkedFormat].
func (c CSV) Chunks(ctx context.Context, in etl.Input, req etl.ScanRequest, known []etl.Chunk) (etl.ChunkScan, error) {
	s, err := c.open(ctx, in, req)
	if err != nil {
		return nil, err
	}
	size := 1 << 20
	if req.ChunkBytes > 0 {
		size = req.ChunkBytes
	}
	left := s.split.buf[s.split.pos:s.split.end]
	return &csvChunks{
		csv: s.csv, ctx: ctx, in: in, req: req, head: s, size: size, known: known,
		text: io.MultiReader(bytes.NewReader(left), s.text), off: s.text.n - int64(len(left)),
	}, nil
}

// Next implements [etl.ChunkScan].
func (c *csvChunks) Next() (etl.Chunk, error) {
	if err := c.ctx.Err(); err != nil {
		return etl.Chunk{}, c.head.failed(err)
	}
	if c.known == nil {
		return c.cut()
	}
	if c.seen == len(c.known) {
		return etl.Chunk{}, io.EOF
	}
	k := c.known[c.seen]
	c.seen++
	if c.head.text.kind == "" { // the scan reads it
		return etl.Chunk{Offset: k.Offset, Size: k.Size, First: k.First, Rows: k.Rows}, nil
	}
	got, err := c.cut()
	if errors.Is(err, io.EOF) || err == nil && (got.Offset != k.Offset || got.Size != k.Size) {
		return etl.Chunk{}, c.head.failed(fmt.Errorf("%w: its text differs between two readings", etl.ErrFileChanged))
	}
	got.First, got.Rows = k.First, k.Rows
	return got, err
}

// cut reads the next chunk.
func (c *csvChunks) cut() (etl.Chunk, error) {
	buf := append(c.buffer(), c.rest...)
	quotes, counted := 0, 0
	for room := c.size; ; room *= 2 {
		if len(buf) < room && !c.end {
			var err error
			if buf, err = c.read(buf, room); err != nil {
				return etl.Chunk{}, c.head.failed(err)
			}
		}
		quotes += bytes.Count(buf[counted:], []byte{c.csv.Quote})
		counted = len(buf)
		n := len(buf)
		if !c.end {
			n = lastBreak(buf, c.csv.Quote, quotes)
		}
		if n == 0 && !c.end && len(buf) <= c.csv.MaxRowBytes+2 {
			continue
		}
		if n == 0 {
			n = len(buf) // a record too long, which the scan will say
		}
		if n == 0 {
			return etl.Chunk{}, io.EOF
		}
		c.rest = append(c.rest[:0], buf[n:]...)
		chunk := etl.Chunk{Offset: c.off, Size: int64(n), Data: buf[:n]}
		c.off += int64(n)
		return chunk, nil
	}
}

// read fills buf up to room bytes.
func (c *csvChunks) read(buf []byte, room int) ([]byte, error) {
	n := len(buf)
	if cap(buf) < room {
		buf = append(make([]byte, 0, room), buf...)
	}
	m, err := io.ReadFull(c.text, buf[n:room])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		c.end, err = true, nil
	}
	return buf[:n+m], err
}

// lastBreak returns the length of text up to its last line break outside quotes,
// of which it has the given number; 0 if there is none.
func lastBreak(text []byte, quote byte, quotes int) int {
	for end := len(text); ; {
		i := bytes.LastIndexByte(text[:end], '\n')
		if i < 0 {
			return 0
		}
		quotes -= bytes.Count(text[i:end], []byte{quote})
		if quotes%2 == 0 {
			return i + 1
		}
		end = i
	}
}

// Scan implements [etl.ChunkScan].
func (c *csvChunks) Scan(ctx context.Context, chunk etl.Chunk) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		data := chunk.Data
		if data == nil {
			data = c.buffer()
			if int64(cap(data)) < chunk.Size {
				data = make([]byte, 0, chunk.Size)
			}
			data = data[:chunk.Size]
			if err := c.load(data, chunk.Offset); err != nil {
				yield(etl.Rows{}, c.head.failed(err))
				return
			}
		}
		s, err := c.scanner()
		if err != nil {
			yield(etl.Rows{}, err)
			return
		}
		done := false
		s.chunk(ctx, data, chunk.First)
		s.run(func(r etl.Rows, err error) bool {
			done = err != nil || !yield(r, err)
			if err != nil {
				yield(r, err)
			}
			return !done
		})
		s.seen, s.seenBytes = s.given, len(data)
		c.recycle(s, data, !done)
	}
}

func (c *csvChunks) load(data []byte, off int64) error {
	n, err := c.in.ReadAt(data, off)
	if n == len(data) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return errShort
	}
	return err
}

// chunk makes s read a chunk instead of a file.
func (s *csvScan) chunk(ctx context.Context, data []byte, first int64) {
	s.split.ctx, s.split.buf, s.split.pos, s.split.end = ctx, data, 0, len(data)
	s.split.noQuotes = bytes.IndexByte(data, s.csv.Quote) < 0
	s.split.eof = false // the reader will say, unless the chunk is a part of a record that is too long
	s.row, s.given, s.limit = first, 0, evenBatches(s.seen, s.seenBytes, len(data))
}

// evenBatches returns how many records make a batch, so that the batches of a
// chunk are about equal. It knows how many records there were in how many bytes.
func evenBatches(records, bytes, next int) int {
	if bytes == 0 {
		return batchRows
	}
	expected := 1 + int(float64(records)/float64(bytes)*float64(next)*1.02)
	batches := (expected + batchRows - 1) / batchRows
	return (expected + batches - 1) / batches
}

// scanner returns a scan that knows the columns.
func (c *csvChunks) scanner() (*csvScan, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		s := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return s, nil
	}
	c.mu.Unlock()
	s := &csvScan{csv: c.csv, req: c.req, width: c.head.width, need: c.head.need}
	if err := s.prepare(); err != nil {
		return nil, configError(err)
	}
	for i := range s.columns {
		s.columns[i].at = c.head.columns[i].at
	}
	s.placed()
	head := c.head.split
	s.split = &splitter{
		r: nothing{}, delim: head.delim, delims: head.delims, quote: head.quote, maxRow: head.maxRow, skipBlank: head.skipBlank,
	}
	return s, nil
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, io.EOF }

// recycle keeps what the next scans can use.
func (c *csvChunks) recycle(s *csvScan, data []byte, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if whole {
		c.idle = append(c.idle, s)
	}
	if cap(data) <= 2*c.size {
		c.free = append(c.free, data[:0])
	}
}

func (c *csvChunks) buffer() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.free); n > 0 {
		b := c.free[n-1]
		c.free = c.free[:n-1]
		return b
	}
	return nil
}

// Close implements [etl.ChunkScan].
func (c *csvChunks) Close() { c.head.close() }
