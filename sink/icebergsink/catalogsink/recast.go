package catalogsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/pages"
)

// PropWriteMode is a property of a table that says how rows are removed from
// data files: "merge-on-read", the default, writes delete files;
// "copy-on-write" writes the data files anew without the rows; "auto" does the
// latter with files that lose more than three rows of ten.
const PropWriteMode = "tidemark.write-mode"

type writeMode int

const (
	mergeOnRead writeMode = iota
	copyOnWrite
	autoMode
)

// autoShare is which part of its live rows a file has to lose in mode "auto" to
// be written anew.
const autoShare = 0.3

// modeOf prefers what the target declares to what the table was created with.
func modeOf(target etl.Target, props iceberg.Properties) (writeMode, error) {
	declared, ok := target.Properties[PropWriteMode]
	if !ok {
		declared = props[PropWriteMode]
	}
	mode, ok := map[string]writeMode{"": mergeOnRead, "merge-on-read": mergeOnRead, "copy-on-write": copyOnWrite, "auto": autoMode}[declared]
	if !ok {
		return 0, terminal(fmt.Errorf("table %s: property %s: %q is not merge-on-read, copy-on-write or auto", target.Name, PropWriteMode, declared))
	}
	return mode, nil
}

// recast is a data file that is replaced by one without the rows removed, or by none.
type recast struct {
	old *dataFile
	new iceberg.DataFile // nil where no row is left
}

// recastFiles writes data files anew where the table's mode says so, and takes
// their rows out of those that need delete files. The new files keep the
// partition and the data sequence number of the old ones, and with it whether
// their rows are those of the full load. In format version 3 the rows keep their
// ids.
func (w *work) recastFiles(ctx context.Context) error {
	if w.mode == mergeOnRead || len(w.removed) == 0 {
		return nil
	}
	plan, err := newFilePlan(w.tbl, w.target)
	if err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	numbered := plan
	if w.tbl.Metadata().Version() > 2 {
		if numbered, err = plan.withLineage(); err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
	}
	var files []*dataFile
	for f, positions := range w.removed {
		dead, err := w.list.deadOf(ctx, f)
		if err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
		if w.mode == copyOnWrite || float64(len(positions)) > autoShare*float64(f.Count()-dead.count()) {
			files = append(files, f)
		}
	}
	slices.SortFunc(files, func(a, b *dataFile) int { return cmp.Compare(a.FilePath(), b.FilePath()) })
	w.recast = make([]recast, len(files))
	paths := make([]string, len(files))
	run := uuid.NewString()
	suffix := recastSuffix
	if w.decodes {
		suffix = ".parquet"
	}
	slots := newFilters(w.sink.opts.Workers)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(w.sink.opts.Workers)
	for i, f := range files {
		own := *plan
		if f.hasRowIDs() {
			own = *numbered
		}
		spec := w.tbl.Metadata().PartitionSpecByID(int(f.SpecID()))
		if spec == nil {
			return terminal(fmt.Errorf("data file %s is of partition spec %d, which the table does not have", f.FilePath(), f.SpecID()))
		}
		own.spec = *spec
		paths[i] = own.places.NewDataLocation(fmt.Sprintf("%s%05d-%s%s", own.folder(f.Partition()), i, run, suffix))
		w.staged = append(w.staged, paths[i])
		g.Go(func() (err error) {
			w.recast[i], err = w.recastFile(gctx, &own, slots, f, paths[i])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	for i, f := range files {
		w.gone += int64(len(w.removed[f]))
		delete(w.removed, f)
		if w.recast[i].new == nil { // no file was begun
			w.staged = slices.DeleteFunc(w.staged, func(p string) bool { return p == paths[i] })
		}
	}
	return nil
}

// recastFile writes the rows of a data file that neither a delete file nor the
// load removes.
func (w *work) recastFile(ctx context.Context, plan *filePlan, slots filters, f *dataFile, path string) (recast, error) {
	dead, err := w.list.deadOf(ctx, f)
	if err != nil {
		return recast{}, err
	}
	gone := newBits(f.Count()).or(dead)
	for _, pos := range w.removed[f] {
		if gone.has(pos) {
			return recast{}, fmt.Errorf("%w: position %d of %s is removed twice", etl.ErrAccounting, pos, f.FilePath())
		}
		gone.set(pos)
	}
	left := f.Count() - gone.count()
	if left == 0 {
		return recast{old: f}, nil
	}
	in, err := openFile(w.fs, f)
	if err != nil {
		return recast{}, err
	}
	defer in.close()
	if in.NumRows() != f.Count() {
		return recast{}, terminal(fmt.Errorf("data file %s has %d rows, its manifest says %d", f.FilePath(), in.NumRows(), f.Count()))
	}
	df, err := w.rewrite(ctx, plan, slots, f, in, gone, path)
	if err != nil {
		return recast{}, err
	}
	if df.Count() != left {
		return recast{}, fmt.Errorf("%w: %s has %d rows left, %d were written", etl.ErrAccounting, f.FilePath(), left, df.Count())
	}
	return recast{f, df}, nil
}

// rewrite copies pages where it can, otherwise rows.
func (w *work) rewrite(ctx context.Context, plan *filePlan, slots filters, f *dataFile, in *parquetFile, gone bits, path string) (iceberg.DataFile, error) {
	if w.decodes {
		return w.rewriteRows(ctx, plan, f, in, gone, path)
	}
	p, err := w.newPageRecast(plan, f, in, gone)
	if err != nil {
		return nil, err
	}
	if p != nil {
		df, err := p.write(ctx, slots, path)
		if !errors.Is(err, pages.ErrForeign) {
			return df, err
		}
	}
	return w.rewriteRows(ctx, plan, f, in, gone, path)
}

func (w *work) rewriteRows(ctx context.Context, plan *filePlan, f *dataFile, in *parquetFile, gone bits, path string) (_ iceberg.DataFile, err error) {
	out, err := plan.begin(w.fs, path, f.Partition())
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write %s: the Parquet writer failed: %v", path, p)
		}
		if err != nil {
			out.abort()
		}
	}()
	err = w.storedRows(ctx, f, in, f.hasRowIDs(), func(pos int64, rec arrow.RecordBatch) error {
		return plan.copyRows(ctx, pos, rec, gone, out)
	})
	if err != nil {
		return nil, err
	}
	df, err := out.finish(ctx)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return df, nil
}

// copyRows hands the rows of a batch that starts at pos to out, but for those
// that are gone.
func (p *filePlan) copyRows(ctx context.Context, pos int64, rec arrow.RecordBatch, gone bits, out *fileWriter) error {
	left, err := without(ctx, rec, pos, gone)
	if err != nil {
		return err
	}
	defer left.Release()
	if left.NumRows() == 0 {
		return nil
	}
	shaped, err := p.shape(left)
	if err != nil {
		return err
	}
	defer shaped.Release()
	return out.write(ctx, shaped)
}

// commitOwn commits an incremental load that replaces data files or, in format
// version 3, deletion vectors: a new one holds what the old one and the delete
// files of its data file say.
func (w *work) commitOwn(ctx context.Context) (*table.Table, error) {
	r := w.newRevision()
	r.add(w.data...)
	for _, f := range w.again.written() {
		r.adds = append(r.adds, addition{f, &w.past.base})
	}
	r.add(w.deletes...)
	for _, c := range w.recast {
		r.gone[c.old.FilePath()] = true
		if c.new != nil {
			r.adds = append(r.adds, addition{c.new, &c.old.seq})
		}
		r.dropDeletes(c.old)
	}
	if w.tbl.Metadata().Version() > 2 {
		for f := range w.removed {
			r.dropDeletes(f)
		}
	}
	if len(w.recast) == 0 {
		return r.commit(ctx)
	}
	idle, err := w.list.idle(ctx, r.gone)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	for _, d := range idle {
		r.gone[d.FilePath()] = true
	}
	return r.commit(ctx)
}

// dropDeletes drops what says which rows of a data file are deleted, as far as
// it speaks of that file alone.
func (r *revision) dropDeletes(f *dataFile) {
	r.voided[f.FilePath()] = true
	for _, d := range slices.Concat(f.deletes, f.merged) {
		if !isVector(d) { // others may be in the same file
			r.gone[d.FilePath()] = true
		}
	}
}
