package etl

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Rows yields the rows to write, in the schema of the target, one for a key but in
// tables of ModeHistory.
// Those of all parts may come with the last one. A batch is valid until
// the next one is asked for, or longer if it is retained. It can be called once.
func (r *Resolution) Rows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		if d := r.part.defers; d != nil && !d.last {
			return
		}
		if s, ok := r.settlement.(rowStream); ok {
			if err := s.run(ctx, func(b arrow.RecordBatch) bool { return yield(b, nil) }); err != nil {
				yield(nil, err)
			}
			return
		}
		w := newWinners(r)
		defer w.close()
		give := func(b arrow.RecordBatch) bool { return yield(b, nil) }
		err := r.rewrite(ctx, w, false, give)
		if err == nil {
			err = w.run(ctx, give)
		}
		if err == nil && r.succeeds != nil {
			err = r.succeeds.rest(ctx, r.giver(ctx, w, give))
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// BaseRows yields committed rows of the epoch's full load that the load writes anew,
// with another time in mode columns: they must be found as [Found.Base] again. There
// are some in tables of ModeHistory only. It can be called once, at any time before
// the part is given up.
func (r *Resolution) BaseRows(ctx context.Context) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		err := r.rewrite(ctx, &winners{r: r, c: r.part.c, in: r.part.in}, true, func(b arrow.RecordBatch) bool { return yield(b, nil) })
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

// rewrite gives out committed rows that the load writes anew.
func (r *Resolution) rewrite(ctx context.Context, w *winners, base bool, yield func(arrow.RecordBatch) bool) error {
	s, ok := r.settlement.(rewriter)
	if !ok {
		return nil
	}
	return s.rewritten(ctx, base, r.giver(ctx, w, yield))
}

// giver shows rows to the checks and gives them out.
func (r *Resolution) giver(ctx context.Context, w *winners, yield func(arrow.RecordBatch) bool) func(arrow.RecordBatch, []int64) error {
	return func(rec arrow.RecordBatch, at []int64) error {
		if err := w.c.checks.look(ctx, w, rec, at, nil); err != nil {
			return err
		}
		if !yield(rec) {
			return errStop
		}
		return nil
	}
}
