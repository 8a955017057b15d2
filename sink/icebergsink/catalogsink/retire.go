package catalogsink

import (
	"context"
	"fmt"
	"slices"

	"github.com/tidemark-data/etl"
)

// retireAbsent ends the versions of keys that a full load of a history table does not
// have, which is committed as a difference. Their rows are read row group by row group.
func (w *work) retireAbsent(ctx context.Context, changes *etl.Changes, rows *rowWriter) error {
	if w.load.Kind != etl.Full || !w.load.Difference || w.target.Mode != etl.ModeHistory {
		return nil
	}
	k := &keyScan{list: w.list, workers: w.sink.opts.Workers}
	names := make([]string, len(w.target.Columns))
	for i, col := range w.target.Columns {
		names[i] = col.Name
	}
	if err := k.want(w, names); err != nil {
		return err
	}
	for _, f := range w.list.data {
		dead, err := w.list.deadOf(ctx, f)
		if err == nil {
			err = w.retireIn(ctx, k, f, absent(f.Count(), w.found[f], dead), changes, rows)
		}
		if err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
	}
	return nil
}

// retireIn ends those versions among the rows at positions of a file that hold.
func (w *work) retireIn(ctx context.Context, k *keyScan, f *dataFile, positions []int64, changes *etl.Changes, rows *rowWriter) error {
	if len(positions) == 0 {
		return nil
	}
	in, err := openFile(k.list.fs, f)
	if err != nil {
		return err
	}
	defer in.close()
	var leaves []*leaf
	for rg := range in.NumRowGroups() {
		n, _ := slices.BinarySearch(positions, in.first[rg+1])
		some := positions[:n]
		if positions = positions[n:]; n == 0 {
			continue
		}
		rec, err := k.fetch(ctx, in, rg, some, &leaves)
		if err != nil {
			return err
		}
		gone, more, err := changes.Retire(rec)
		rec.Release()
		if err != nil {
			return err
		}
		for _, i := range gone {
			w.removed[f] = append(w.removed[f], some[i])
		}
		w.counts.RemovedAsAbsent += int64(len(gone))
		rows.expect(more.NumRows())
		err = rows.write(more)
		more.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
