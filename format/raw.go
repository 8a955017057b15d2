package format

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"slices"

	etl "github.com/tidemark-data/etl"
)

var (
	_ etl.RawFormat = CSV{}
	_ etl.RawFormat = JSONLines{}
	_ etl.RawFormat = Debezium{}
)

// Mended implements [etl.RawFormat].
func (c CSV) Mended() etl.Format { return c }

// Mended implements [etl.RawFormat].
func (j JSONLines) Mended() etl.Format { return j }

// Mended implements [etl.RawFormat].
func (d Debezium) Mended() etl.Format { return d }

// Raw implements [etl.RawFormat].
func (c CSV) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	return func(yield func(etl.RawRecord, error) bool) {
		req.Columns = nil
		s, err := c.open(ctx, in, req)
		if err != nil {
			yield(etl.RawRecord{}, err)
			return
		}
		defer s.close()
		for {
			ok, err := s.split.next()
			if err != nil {
				yield(etl.RawRecord{}, s.failed(err))
				return
			}
			if !ok {
				return
			}
			s.row++
			if req.Select != nil && !req.Select(s.row) {
				continue
			}
			data := bytes.TrimSuffix(bytes.TrimSuffix(s.split.line, []byte("\n")), []byte("\r"))
			if !yield(etl.RawRecord{Number: s.row, Head: s.head, Data: bytes.Clone(data)}, nil) {
				return
			}
		}
	}
}

// headOf writes a header of the names.
func (c CSV) headOf(names []string) []byte {
	var head []byte
	quote := []byte{c.Quote}
	for i, name := range names {
		if i > 0 {
			head = append(head, c.Delimiter)
		}
		if c.Quote == NoQuote {
			head = append(head, name...)
			continue
		}
		head = append(head, c.Quote)
		head = append(head, bytes.ReplaceAll([]byte(name), quote, append(quote, c.Quote))...)
		head = append(head, c.Quote)
	}
	return append(head, '\n')
}

// Raw implements [etl.RawFormat].
func (j JSONLines) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	return func(yield func(etl.RawRecord, error) bool) {
		req.Columns = nil
		s, err := newJSONScan(j, req)
		if err != nil {
			yield(etl.RawRecord{}, configError(err))
			return
		}
		s.raw(ctx, in, yield)
	}
}

// Raw implements [etl.RawFormat].
func (d Debezium) Raw(ctx context.Context, in etl.Input, req etl.ScanRequest) iter.Seq2[etl.RawRecord, error] {
	return func(yield func(etl.RawRecord, error) bool) {
		req.Columns = nil
		s, err := newJSONScan(d.lines(), req)
		if err != nil {
			yield(etl.RawRecord{}, configError(err))
			return
		}
		s.blank = newEventScan(d, s).blank
		s.raw(ctx, in, yield)
	}
}

// raw yields the lines that are wanted.
func (s *jsonScan) raw(ctx context.Context, in etl.Input, yield func(etl.RawRecord, error) bool) {
	text, err := openText(in, s.format.MaxDecompressedBytes, s.format.MaxRatio)
	if err != nil {
		yield(etl.RawRecord{}, s.failed(err))
		return
	}
	defer text.Close()
	lines := &lineReader{r: text, limit: s.format.MaxRowBytes}
	for first := true; ; first = false {
		line, err := lines.next()
		if err == nil {
			err = ctx.Err()
		}
		switch {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			yield(etl.RawRecord{}, s.failed(err))
			return
		}
		if first {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
		}
		if s.blank(line) {
			continue
		}
		s.row++
		if s.req.Select != nil && !s.req.Select(s.row) {
			continue
		}
		data := bytes.TrimSuffix(slices.Clone(line), []byte("\r"))
		if !yield(etl.RawRecord{Number: s.row, Data: data}, nil) {
			return
		}
	}
}
