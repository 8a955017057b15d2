package catalogsink

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/pages"
)

// fetch reads the wanted columns of the rows at positions, which rise.
func (k *keyScan) fetch(ctx context.Context, in *parquetFile, rg int, positions []int64, have *[]*leaf) (arrow.RecordBatch, error) {
	p := &picker{ctx: ctx, rest: positions, pieces: make([][]arrow.Array, len(k.wants))}
	defer p.drop()
	if err := k.pick(p, in, rg, have); err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, 0, len(p.pieces))
	defer func() { releaseArrays(cols) }()
	for _, as := range p.pieces {
		col, err := array.Concatenate(as, memory.DefaultAllocator)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", in.path, err)
		}
		cols = append(cols, col)
	}
	return array.NewRecordBatch(k.schema, cols, int64(len(positions))), nil
}

// digest reads the rows at positions batch by batch and keeps their digests only.
func (k *keyScan) digest(ctx context.Context, in *parquetFile, rg int, positions []int64, have *[]*leaf) ([]etl.Digest, error) {
	p := &picker{ctx: ctx, rest: positions, pieces: make([][]arrow.Array, len(k.wants)), digests: make([]etl.Digest, 0, len(positions))}
	defer p.drop()
	p.each = func(cols []arrow.Array) (err error) {
		rec := array.NewRecordBatch(k.schema, cols, int64(cols[0].Len()))
		defer rec.Release()
		p.digests, err = k.part.Digest(p.digests, rec)
		return err
	}
	if err := k.pick(p, in, rg, have); err != nil {
		return nil, err
	}
	return p.digests, nil
}

// pick lets p pick rows of a row group.
func (k *keyScan) pick(p *picker, in *parquetFile, rg int, have *[]*leaf) error {
	positions := p.rest
	leaves, err := in.leaves(rg, k.wants, have)
	if err != nil {
		return err
	}
	if leaves != nil {
		err = in.scan(rg, leaves, p.wants, p.pick)
	}
	if leaves == nil || errors.Is(err, pages.ErrForeign) {
		p.drop()
		p.rest, p.digests = positions, p.digests[:0]
		err = in.read(p.ctx, rg, k.wants, p.pick)
	}
	return err
}

// picker takes the rows at some positions out of the batches that go by.
type picker struct {
	ctx    context.Context
	rest   []int64
	pieces [][]arrow.Array // by column
	// each, if not nil, is given the rows of a batch, which are not kept then.
	each    func(cols []arrow.Array) error
	digests []etl.Digest
}

// wants reports whether there are rows to pick among the n from pos on.
func (p *picker) wants(pos int64, n int) bool { return len(p.rest) > 0 && p.rest[0] < pos+int64(n) }

func (p *picker) pick(pos int64, got []arrow.Array) error {
	n := 0
	for n < len(p.rest) && p.rest[n] < pos+int64(got[0].Len()) {
		n++
	}
	if n == 0 {
		return nil
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for _, at := range p.rest[:n] {
		b.Append(at - pos)
	}
	p.rest = p.rest[n:]
	rows := b.NewInt64Array()
	defer rows.Release()
	for i, a := range got {
		picked, err := take(p.ctx, a, rows)
		if err != nil {
			return fmt.Errorf("pick rows: %w", err)
		}
		p.pieces[i] = append(p.pieces[i], picked)
	}
	if p.each == nil {
		return nil
	}
	defer p.drop()
	cols := make([]arrow.Array, len(p.pieces))
	for i, as := range p.pieces {
		cols[i] = as[0]
	}
	return p.each(cols)
}

func (p *picker) drop() {
	for i, as := range p.pieces {
		releaseArrays(as)
		p.pieces[i] = nil
	}
}
