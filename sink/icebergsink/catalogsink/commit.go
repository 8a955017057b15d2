package catalogsink

import (
	"context"
	"fmt"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// begin starts a transaction that fails unless main still is what was read: the
// assertion comes first, before anything that the library would replay on
// another state of the table.
func begin(tbl *table.Table) (*table.Transaction, error) {
	tx := tbl.NewTransaction()
	if err := tx.AssertRefSnapshotID(""); err != nil {
		return nil, fmt.Errorf("assert main: %w", err)
	}
	return tx, nil
}

// commitDelta commits an incremental load as one snapshot. A load that changes
// no row is an empty snapshot, so that it can be found.
func (w *work) commitDelta(ctx context.Context) (*table.Table, error) {
	return w.commit(ctx, func(tx *table.Transaction, summary iceberg.Properties) error {
		if len(w.data)+len(w.deletes) == 0 {
			return tx.AddFiles(ctx, nil, summary, true)
		}
		return tx.NewRowDelta(summary).AddRows(w.data...).AddDeletes(w.deletes...).Commit(ctx)
	})
}

// commitSwap replaces all that the table holds by what a full load wrote, as
// one snapshot: data files, and the delete files with them.
func (w *work) commitSwap(ctx context.Context) (*table.Table, error) {
	old := make([]iceberg.DataFile, len(w.list.data))
	for i, f := range w.list.data {
		old[i] = f.DataFile
	}
	dead := make([]iceberg.DataFile, len(w.list.deletes))
	for i, d := range w.list.deletes {
		dead[i] = d.DataFile
	}
	return w.commit(ctx, func(tx *table.Transaction, summary iceberg.Properties) error {
		switch {
		case len(old)+len(dead) > 0:
			return tx.ReplaceFiles(ctx, old, w.data, dead, summary, table.WithoutAutoNameMapping())
		case len(w.data) > 0:
			return tx.NewRowDelta(summary).AddRows(w.data...).Commit(ctx)
		default:
			return tx.AddFiles(ctx, nil, summary, true)
		}
	})
}

func (w *work) commit(ctx context.Context, stage func(*table.Transaction, iceberg.Properties) error) (*table.Table, error) {
	summary, props := w.marks()
	tx, err := begin(w.tbl)
	if err != nil {
		return nil, err
	}
	if err := stage(tx, summary); err != nil {
		return nil, fmt.Errorf("table %s: stage the snapshot: %w", w.target.Name, err)
	}
	if err := tx.SetProperties(props); err != nil {
		return nil, fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	tbl, err := tx.Commit(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", w.target.Name, commitError(err))
	}
	return tbl, nil
}

func commitFence(ctx context.Context, tbl *table.Table, fence int64) error {
	props := iceberg.Properties{propFence: strconv.FormatInt(fence, 10)}
	tx, err := begin(tbl)
	if err != nil {
		return err
	}
	if err := tx.AddFiles(ctx, nil, props, true); err != nil {
		return fmt.Errorf("stage the fence: %w", err)
	}
	if err := tx.SetProperties(props); err != nil {
		return err
	}
	_, err = tx.Commit(ctx)
	return commitError(err)
}
