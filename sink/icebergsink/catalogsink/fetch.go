package catalogsink

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// fetch reads the wanted columns of the rows at positions, which rise.
func (k *keyScan) fetch(ctx context.Context, in *parquetFile, rg int, positions []int64) (_ arrow.RecordBatch, err error) {
	pieces := make([][]arrow.Array, len(k.wants))
	defer func() {
		for _, as := range pieces {
			for _, a := range as {
				a.Release()
			}
		}
	}()
	rest := positions
	pick := func(pos int64, got []arrow.Array) error {
		n := 0
		for n < len(rest) && rest[n] < pos+int64(got[0].Len()) {
			n++
		}
		if n == 0 {
			return nil
		}
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		for _, at := range rest[:n] {
			b.Append(at - pos)
		}
		rest = rest[n:]
		rows := b.NewInt64Array()
		defer rows.Release()
		for i, a := range got {
			picked, err := take(ctx, a, rows)
			if err != nil {
				return fmt.Errorf("read %s: %w", in.path, err)
			}
			pieces[i] = append(pieces[i], picked)
		}
		return nil
	}
	leaves, err := in.leaves(rg, k.wants)
	switch {
	case err != nil:
	case leaves != nil:
		err = in.scan(rg, leaves, pick)
	default:
		err = in.read(ctx, rg, k.wants, pick)
	}
	if err != nil {
		return nil, err
	}
	cols := make([]arrow.Array, len(pieces))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, as := range pieces {
		if cols[i], err = array.Concatenate(as, memory.DefaultAllocator); err != nil {
			return nil, fmt.Errorf("read %s: %w", in.path, err)
		}
	}
	return array.NewRecordBatch(k.schema, cols, int64(len(positions))), nil
}
