package etl

import (
	"bytes"
	"context"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl/internal/cells"
)

// Which rows a transform drops is known in the second pass. A row that is the only
// change of its key can be left out then: what it did to the version below it stands.
// Where more follows on a key that does not only depend on its time, it has to be known
// before, so such rows are transformed once more than others.

// prepare brings the versions into order and finds out which changes are filtered, as far as that has to be known.
func (s *chronicle) prepare(ctx context.Context) error {
	for _, l := range s.lists {
		l.arrange()
	}
	c := s.r.part.c
	if len(c.table.Transforms) == 0 {
		return nil
	}
	w := &winners{r: s.r, c: c, in: s.r.part.in, rows: newBitmap(s.r.part.in.base[len(s.r.part.in.base)-1])}
	if !s.entangled(w.rows) {
		return nil
	}
	err := w.read(ctx, w.tryOut, func(b *won) error {
		if b.rec != nil {
			b.rec.Release()
		}
		for _, id := range s.changesAt(b.lost) {
			s.drops[id] = true
		}
		return nil
	})
	if err == nil {
		err = c.bad.verdict()
	}
	return err
}

// tryOut transforms rows to see which are dropped. Of rows that are not whole that is
// not known before they have what stands below them, which depends on the others.
func (w *winners) tryOut(ctx context.Context, file int, rows Rows) (*won, error) {
	var whole []int
	var at []int64
	for i, n := range rows.Numbers {
		if rows.gap(i) == nil {
			whole, at = append(whole, i), append(at, w.in.base[file]+n)
		}
	}
	rec := rows.Record
	if len(whole) < len(rows.Numbers) {
		var err error
		if rec, err = cells.Take(memory.DefaultAllocator, rec, whole); err != nil {
			return nil, err
		}
		defer rec.Release()
	}
	out, err := w.sift(ctx, rec, at, nil)
	if err == nil {
		out.read = len(rows.Numbers) + len(rows.Bad)
	}
	return out, err
}

// entangled adds the upserts of keys on which a change may depend on whether another
// was filtered, and reports whether there are any. Upserts alone do not, where time
// orders them, they come in that order, and there are no gaps already.
func (s *chronicle) entangled(rows bitmap) bool {
	last := make([]int64, len(s.lists)) // the change before, and 1
	apart := make([]bool, len(s.lists))
	note := func(k int32, id int64, removes bool) {
		if k < 0 {
			return
		}
		if before := last[k]; before > 0 && (removes || s.changesDepend(k, before-1, id)) {
			apart[k] = true
		}
		last[k] = id + 1
	}
	for i, c := range s.h.changes {
		note(c.old, int64(i), true)
		note(c.key, int64(i), c.mark&markDelete != 0)
	}
	some := false
	for i, c := range s.h.changes {
		if c.key >= 0 && c.mark&markDelete == 0 && apart[c.key] {
			rows.set(s.position(int64(i)))
			some = true
		}
	}
	return some
}

// changesDepend reports whether an upsert may depend on what became of the change
// before it of its key.
func (s *chronicle) changesDepend(k int32, before, id int64) bool {
	b := s.h.changes[before]
	return !s.r.part.c.timed || s.tombs[k] != nil || s.lists[k].gaps() || b.key != k || b.mark&markDelete != 0 ||
		bytes.Compare(s.h.order(int(before)), s.h.order(int(id))) >= 0
}
