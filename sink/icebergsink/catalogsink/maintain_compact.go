package catalogsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// compact rewrites data files: first those of the full load, then those of
// changes, each in a snapshot of its own, since all files that a snapshot adds
// share one data sequence number.
func (u *upkeep) compact(ctx context.Context) error {
	budget := u.opts.RewriteBytes
	for _, base := range []bool{true, false} {
		sets, more, err := u.planRewrites(ctx, base, budget)
		if err != nil {
			return fmt.Errorf("table %s: %s: %w", u.target.Name, stepCompact, err)
		}
		u.rep.More = u.rep.More || more
		if len(sets) == 0 {
			continue
		}
		if err := u.rewriteAll(ctx, sets); err != nil {
			return err
		}
		for _, set := range sets {
			u.settled = append(u.settled, set.files...)
			budget -= set.bytes
			u.rep.RewrittenFiles += len(set.files)
			u.rep.RewrittenBytes += set.bytes
		}
	}
	return nil
}

func (u *upkeep) rewriteAll(ctx context.Context, sets []rewrite) error {
	if u.opts.DryRun {
		return nil
	}
	gone := map[string]bool{}
	var old []iceberg.DataFile
	var seq int64
	for _, set := range sets {
		write := u.rewrite
		if u.tbl.Metadata().Version() > 2 {
			write = u.rewriteWithIDs
		}
		if err := write(ctx, set); err != nil {
			u.work.discard()
			return fmt.Errorf("table %s: %s: %w", u.target.Name, stepCompact, err)
		}
		for _, f := range set.files {
			gone[f.FilePath()] = true
			old = append(old, f.DataFile)
			seq = max(seq, f.seq)
		}
	}
	dead, err := u.work.list.deadDeletes(ctx, gone)
	if err != nil {
		u.work.discard()
		return fmt.Errorf("table %s: %s: %w", u.target.Name, stepCompact, err)
	}
	data := u.work.data
	err = u.commit(ctx, stepCompact, func(tx *table.Transaction, marks iceberg.Properties) error {
		r := tx.NewRewrite(marks).DataSequenceNumber(seq)
		for _, f := range append(old, dead...) {
			r.DeleteFile(f)
		}
		for _, f := range data {
			r.AddDataFile(f)
		}
		return r.Commit(ctx)
	})
	if err != nil {
		return err
	}
	for _, f := range data {
		u.rep.WrittenFiles++
		u.rep.WrittenBytes += f.FileSizeBytes()
	}
	return nil
}

// rewrite writes the rows of a set that are not deleted, and counts them.
func (u *upkeep) rewrite(ctx context.Context, set rewrite) error {
	rows, err := u.work.newRowWriter(ctx)
	if err != nil {
		return err
	}
	defer rows.abort()
	rows.plan.target = u.opts.TargetFileSize
	if rows.parts == nil { // one file after the other: neighbours stay together
		rows.start(rows.lanes[0])
		rows.busy = u.sink.opts.Workers
	}
	var stopped error
	for _, f := range set.files {
		if stopped = u.readLive(ctx, f, rows); stopped != nil {
			break
		}
	}
	if stopped != nil && !errors.Is(stopped, errStopped) {
		return stopped
	}
	files, err := rows.close()
	if err = cmp.Or(err, stopped); err != nil {
		return err
	}
	written := int64(0)
	for _, df := range files {
		written += df.Count()
	}
	u.work.data = append(u.work.data, files...)
	return set.account(written)
}

func (r rewrite) account(written int64) error {
	if written != r.rows {
		return fmt.Errorf("%w: %d files have %d rows, %d were written", etl.ErrAccounting, len(r.files), r.rows, written)
	}
	return nil
}

// rewriteWithIDs is rewrite for tables of format version 3, whose rows keep
// their ids (Iceberg spec, "Row Lineage"). Files that have none yet, from before
// an upgrade, are rewritten by themselves.
func (u *upkeep) rewriteWithIDs(ctx context.Context, set rewrite) error {
	all, err := u.tbl.Scan().PlanFiles(ctx)
	if err != nil {
		return err
	}
	tasks := map[string]table.FileScanTask{}
	for _, task := range all {
		tasks[task.File.FilePath()] = task
	}
	var groups [2]table.CompactionTaskGroup
	for _, f := range set.files {
		task, ok := tasks[f.FilePath()]
		switch {
		case !ok:
			return fmt.Errorf("data file %s is not in the scan of its table", f.FilePath())
		case task.FirstRowID == nil:
			groups[0].Tasks = append(groups[0].Tasks, task)
		default:
			groups[1].Tasks = append(groups[1].Tasks, task)
		}
	}
	written := int64(0)
	for _, group := range groups {
		res, err := table.ExecuteCompactionGroup(ctx, u.tbl, group, table.WithCompactionTargetFileSize(u.opts.TargetFileSize),
			table.WithCompactionScanConcurrency(1), table.WithCompactionArrowBatchSize(compactBatch), table.WithCompactionRecordBatchBufferSize(compactQueue))
		for _, df := range res.NewDataFiles {
			u.work.staged = append(u.work.staged, df.FilePath())
			written += df.Count()
		}
		if err != nil {
			return err
		}
		u.work.data = append(u.work.data, res.NewDataFiles...)
	}
	return set.account(written)
}

// compactBatch is how many rows the library is given at a time, compactQueue
// how many such batches may wait: it bounds neither by bytes.
const (
	compactBatch = 4096
	compactQueue = 8
)

// readLive hands on the rows of a data file that are not deleted, in order.
func (u *upkeep) readLive(ctx context.Context, f *dataFile, rows *rowWriter) error {
	dead, err := u.work.list.deadOf(ctx, f)
	if err != nil {
		return err
	}
	in, err := openFile(u.work.fs, f)
	if err != nil {
		return err
	}
	defer in.close()
	if in.NumRows() != f.Count() {
		return terminal(fmt.Errorf("data file %s has %d rows, its manifest says %d", f.FilePath(), in.NumRows(), f.Count()))
	}
	cols := make([]readColumn, len(u.target.Columns))
	for i, c := range u.target.Columns {
		if cols[i], err = u.work.column(c.Name); err != nil {
			return err
		}
	}
	for rg := range in.NumRowGroups() {
		err := in.read(ctx, rg, cols, func(pos int64, got []arrow.Array) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			batch, err := u.live(ctx, pos, got, dead)
			if err != nil {
				return fmt.Errorf("read %s: %w", f.FilePath(), err)
			}
			defer batch.Release()
			if batch.NumRows() == 0 {
				return nil
			}
			return rows.write(batch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// live drops the deleted rows of a batch that starts at pos.
func (u *upkeep) live(ctx context.Context, pos int64, got []arrow.Array, dead bits) (arrow.RecordBatch, error) {
	n := int64(got[0].Len())
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for i := range n {
		if !dead.has(pos + i) {
			b.Append(i)
		}
	}
	if int64(b.Len()) == n {
		return array.NewRecordBatch(u.work.schema, got, n), nil
	}
	rows := b.NewInt64Array()
	defer rows.Release()
	cols := make([]arrow.Array, 0, len(got))
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, a := range got {
		c, err := take(ctx, a, rows)
		if err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(u.work.schema, cols, int64(rows.Len())), nil
}
