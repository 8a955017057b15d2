package catalogsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
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
		if err := u.rewrite(ctx, set); err != nil {
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

// rewrite writes the rows of a set that are not deleted, and counts them. Rows
// with ids keep them, apart from those of files that have none yet.
func (u *upkeep) rewrite(ctx context.Context, set rewrite) error {
	var plain, numbered []*dataFile
	for _, f := range set.files {
		if f.hasRowIDs() {
			numbered = append(numbered, f)
		} else {
			plain = append(plain, f)
		}
	}
	before := len(u.work.data)
	for i, files := range [][]*dataFile{plain, numbered} {
		if len(files) == 0 {
			continue
		}
		if err := u.rewriteFiles(ctx, files, i == 1); err != nil {
			return err
		}
	}
	written := int64(0)
	for _, df := range u.work.data[before:] {
		written += df.Count()
	}
	return set.account(written)
}

func (u *upkeep) rewriteFiles(ctx context.Context, files []*dataFile, lineage bool) error {
	rows, err := u.work.newRowWriter(ctx, lineage)
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
	for _, f := range files {
		if stopped = u.readLive(ctx, f, lineage, rows); stopped != nil {
			break
		}
	}
	if stopped != nil && !errors.Is(stopped, errStopped) {
		return stopped
	}
	written, err := rows.close()
	if err = cmp.Or(err, stopped); err != nil {
		return err
	}
	u.work.data = append(u.work.data, written...)
	return nil
}

func (r rewrite) account(written int64) error {
	if written != r.rows {
		return fmt.Errorf("%w: %d files have %d rows, %d were written", etl.ErrAccounting, len(r.files), r.rows, written)
	}
	return nil
}

// readLive hands on the rows of a data file that are not deleted, in order.
func (u *upkeep) readLive(ctx context.Context, f *dataFile, lineage bool, rows *rowWriter) error {
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
	return u.work.storedRows(ctx, f, in, lineage, func(pos int64, rec arrow.RecordBatch) error {
		live, err := without(ctx, rec, pos, dead)
		if err != nil {
			return fmt.Errorf("read %s: %w", f.FilePath(), err)
		}
		defer live.Release()
		if live.NumRows() == 0 {
			return nil
		}
		return rows.write(live)
	})
}
