package pages

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
)

// fixed moves the values of fixed width together that stay.
func (f *Filter) fixed(p *Page, b Batch, values int) error {
	w := f.reader.chunk.Width
	size, err := f.reader.bytes(values)
	if err != nil {
		return err
	}
	plain, start := f.reader.take.plain[:size], len(f.body)
	f.gone = f.gone[:0]
	f.runs(p, b, func(from, to int, stays bool) {
		if stays {
			f.body = append(f.body, plain[from*w:to*w]...)
		} else {
			f.gone = append(f.gone, plain[from*w:to*w]...)
		}
	})
	f.tally.gone.fixed(f.gone)
	f.tally.kept.fixed(f.body[start:])
	return nil
}

// texts moves the values of variable length together that stay. Finding their
// bounds costs more than moving them, so it waits until it is known to be needed.
func (f *Filter) texts(p *Page, b Batch, values int) error {
	size, err := readTextBytes(f.reader.take.plain, values)
	if err != nil {
		return err
	}
	plain := f.reader.take.plain[:size]
	gone := f.tally.gone.(*byteBounds)
	f.runs(p, b, func(from, to int, stays bool) {
		end := 0
		for range to - from {
			n := 4 + int(binary.LittleEndian.Uint32(plain[end:]))
			if !stays {
				gone.value(plain[end+4 : end+n])
			}
			end += n
		}
		if stays {
			f.body = append(f.body, plain[:end]...)
		}
		plain = plain[end:]
	})
	gone.hold()
	f.tally.unseen = true
	return nil
}

// booleans moves the bits together that stay.
func (f *Filter) booleans(p *Page, b Batch, values int) error {
	plain := f.reader.take.plain
	if values > 8*len(plain) {
		return fmt.Errorf("%w: page ends before its values", ErrCorrupt)
	}
	f.valid = f.valid[:0]
	n := 0
	kept, gone := f.tally.kept.(*boolBounds), f.tally.gone.(*boolBounds)
	f.runs(p, b, func(from, to int, stays bool) {
		if !stays {
			gone.add(plain, from, to)
			return
		}
		kept.add(plain, from, to)
		f.valid = appendBits(f.valid, n, plain, from, to-from)
		n += to - from
	})
	f.body = append(f.body, f.valid...)
	return nil
}

func (b *boolBounds) add(plain []byte, from, to int) {
	ones := countBits(plain, from, to-from)
	b.yes, b.no = b.yes || ones > 0, b.no || ones < to-from
}

// indices moves the entries of the dictionary together that stay.
func (f *Filter) indices(p *Page, b Batch, values int) error {
	index, err := f.reader.indices(values)
	if err != nil {
		return err
	}
	f.index = f.index[:0]
	t := &f.tally
	t.marks(f.reader.dict.terms)
	f.runs(p, b, func(from, to int, stays bool) {
		mark := byte(termGone)
		if stays {
			mark = termKept
			f.index = append(f.index, index[from:to]...)
		}
		for _, i := range index[from:to] {
			t.terms[i] |= mark
		}
	})
	width := IndexWidth(f.reader.dict.terms)
	f.body = AppendRuns(append(f.body, byte(width)), f.index, width)
	return nil
}

// recount takes in the values that stay and that were not looked at: of pages
// that stay as they are, and texts.
func (f *Filter) recount(src io.ReaderAt, size int64, e Extent) error {
	r, t := &f.reader, &f.tally
	if err := r.Open(src, size, e); err != nil {
		return err
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		kept := countBits(f.keep, int(p.First), p.Rows)
		if kept == 0 || kept < p.Rows && (p.Coded() || e.Width > 0 || e.Type != parquet.Types.ByteArray) {
			continue
		}
		if err := f.recountPage(p); err != nil {
			return err
		}
	}
	t.entries(r.dict.plain, e.Width)
	t.unseen = false
	return nil
}

func (f *Filter) recountPage(p *Page) error {
	r, t := &f.reader, &f.tally
	b, err := r.levels(p.Rows)
	if err != nil {
		return err
	}
	values := p.Rows - b.Nulls
	switch {
	case r.take.coded:
		index, err := r.indices(values)
		if err != nil {
			return err
		}
		t.marks(r.dict.terms)
		for _, i := range index {
			t.terms[i] |= termKept
		}
	case r.chunk.Type == parquet.Types.Boolean:
		if values > 8*len(r.take.plain) {
			return fmt.Errorf("%w: page ends before its values", ErrCorrupt)
		}
		t.kept.(*boolBounds).add(r.take.plain, 0, values)
	case r.chunk.Width > 0:
		size, err := r.bytes(values)
		if err != nil {
			return err
		}
		t.kept.fixed(r.take.plain[:size])
	default:
		return f.recountTexts(p, b, values)
	}
	return nil
}

func (f *Filter) recountTexts(p *Page, b Batch, values int) error {
	plain := f.reader.take.plain
	if _, err := readTextBytes(plain, values); err != nil {
		return err
	}
	kept := f.tally.kept.(*byteBounds)
	f.runs(p, b, func(from, to int, stays bool) {
		for range to - from {
			n := 4 + int(binary.LittleEndian.Uint32(plain))
			if stays {
				kept.value(plain[4:n])
			}
			plain = plain[n:]
		}
	})
	kept.hold()
	return nil
}
