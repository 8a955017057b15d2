package sink

import (
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// finishDifference removes the rows that the full load does not have. Those that
// stay are rows of the new epoch's full load.
func (b *builder) finishDifference(base *version, changes *etl.Changes) error {
	for k, rows := range base.rows {
		switch {
		case b.found[k]:
		case b.target.Mode == etl.ModeHistory:
			if err := b.retire(k, rows, changes); err != nil {
				return err
			}
		default:
			delete(b.next.rows, k)
			b.counts.RemovedAsAbsent += int64(len(rows))
		}
	}
	for k, rows := range b.next.rows {
		rows = slices.Clone(rows)
		for i := range rows {
			rows[i].base = true
		}
		b.next.rows[k] = rows
	}
	return nil
}

// retire ends the versions of a key that the full load does not have.
func (b *builder) retire(key string, rows []row, changes *etl.Changes) error {
	for at, r := range rows {
		gone, batch, err := changes.Retire(r.batch.NewSlice(int64(r.at), int64(r.at)+1))
		if err != nil {
			return err
		}
		if len(gone) == 0 {
			continue
		}
		b.counts.RemovedAsAbsent++
		b.next.rows.remove(key, func(i int) bool { return i == at })
		return b.insert([]arrow.RecordBatch{batch}, true)
	}
	return nil
}
