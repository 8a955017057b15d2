package catalogsink

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/pages"
)

// fetch reads the wanted columns of the rows at positions, which rise.
func (k *keyScan) fetch(ctx context.Context, in *parquetFile, rg int, positions []int64, have *[]*leaf) (arrow.RecordBatch, error) {
	leaves, err := in.leaves(rg, k.wants, have)
	if err != nil {
		return nil, err
	}
	p := &picker{ctx: ctx, rest: positions, pieces: make([][]arrow.Array, len(k.wants))}
	defer func() { p.drop() }()
	if leaves != nil {
		err = in.scan(rg, leaves, p.wants, p.pick)
	}
	if leaves == nil || errors.Is(err, pages.ErrForeign) {
		p.drop()
		p = &picker{ctx: ctx, rest: positions, pieces: p.pieces}
		err = in.read(ctx, rg, k.wants, p.pick)
	}
	if err != nil {
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

// picker takes the rows at some positions out of the batches that go by.
type picker struct {
	ctx    context.Context
	rest   []int64
	pieces [][]arrow.Array // by column
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
	return nil
}

func (p *picker) drop() {
	for i, as := range p.pieces {
		releaseArrays(as)
		p.pieces[i] = nil
	}
}
