package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// work is one attempt at one load, on one state of the table.
type work struct {
	sink   *Sink
	tbl    *table.Table
	fs     iceio.WriteFileIO
	past   history
	target etl.Target
	load   etl.Load
	list   *listing
	schema *arrow.Schema // of rows, in the order of the target

	counts  etl.Counts
	checks  []etl.Checked
	removed map[*dataFile][]int64
	gone    int64 // rows removed
	mode    writeMode
	recast  []recast
	data    []iceberg.DataFile
	again   *baseWriter // rows of the full load that are written anew; nil if none are
	deletes []iceberg.DataFile
	found   map[*dataFile]bits // rows whose key the load has, for a difference
	memory  *orderBook
	sheet   *stageSheet // of a file that is staged
	staged  []string    // files written that are in no snapshot yet
	marked  bool        // what takes rows out of data files is written
	ready   bool        // the rows are written
	remake  *remake     // nil where the schema stays as it is
	decodes bool        // data files are never made of others page by page

	own func() (summary, props iceberg.Properties) // marks of what is no load; nil for loads
}

// writable is the storage of a table.
func writable(ctx context.Context, tbl *table.Table, name string) (iceio.WriteFileIO, error) {
	files, err := tbl.FS(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", name, err)
	}
	w, ok := files.(iceio.WriteFileIO)
	if !ok {
		return nil, terminal(fmt.Errorf("table %s: its storage cannot be written", name))
	}
	return w, nil
}

func newWork(ctx context.Context, s *Sink, tbl *table.Table, past history, target etl.Target, load etl.Load) (*work, error) {
	fs, err := writable(ctx, tbl, target.Name)
	if err != nil {
		return nil, err
	}
	w := &work{sink: s, tbl: tbl, fs: fs, past: past, target: target, load: load, removed: map[*dataFile][]int64{}}
	if w.mode, err = modeOf(target, tbl.Properties()); err != nil {
		return nil, err
	}
	w.list, err = list(ctx, fs, tbl.SnapshotByName(table.MainBranch), s.opts.Workers)
	if err != nil {
		return nil, fmt.Errorf("table %s: %w", target.Name, err)
	}
	if w.list.equal > 0 && !w.swaps() {
		return nil, terminal(fmt.Errorf("table %s has %d equality-delete files, which another writer made; compact them away first", target.Name, w.list.equal))
	}
	fields := make([]arrow.Field, len(target.Columns))
	for i, col := range target.Columns {
		fields[i] = arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: !required(target, col)}
	}
	w.schema = arrow.NewSchema(fields, nil)
	w.memory, err = openMemory(ctx, w)
	return w, err
}

// run settles the changes, writes files and commits.
func (w *work) run(ctx context.Context, changes *etl.Changes) (*table.Table, error) {
	before, err := w.rowsBefore(ctx)
	if err != nil {
		return nil, err
	}
	w.counts.RowsBefore = before
	if !w.ready {
		if err := w.writeRows(ctx, changes); err != nil {
			return nil, err
		}
	}
	if err := w.account(); err != nil {
		return nil, err
	}
	own := w.tbl.Metadata().Version() > 2 || w.remake.remakes()
	switch {
	case w.swaps() && own:
		return w.commitSwapOwn(ctx)
	case w.swaps():
		return w.commitSwap(ctx)
	case own, len(w.recast) > 0, w.again != nil:
		return w.commitOwn(ctx)
	}
	return w.commitDelta(ctx)
}

// rowsBefore counts the live rows. Delete files that speak of several data files
// would have to be read for it, so there the count of the last load is taken if
// nothing has happened since.
func (w *work) rowsBefore(ctx context.Context) (int64, error) {
	head := w.tbl.SnapshotByName(table.MainBranch)
	if len(w.list.shared) > 0 && len(w.past.marks) > 0 {
		last := w.past.marks[0].receipt
		if last.Snapshot == strconv.FormatInt(head.SnapshotID, 10) && last.Counts != (etl.Counts{}) {
			return last.Counts.RowsAfter, nil
		}
	}
	return w.list.rows(ctx)
}

// adopt takes over what an attempt has written that lost against another writer.
// A load that replaces the table, or that adds rows without keys, does not look at it,
// so its files stay good unless the table's shape has changed.
func (w *work) adopt(lost *work) bool {
	was, is := lost.tbl.Metadata(), w.tbl.Metadata()
	blind := w.swaps() || w.target.Mode == etl.ModeAppend
	if !blind || len(lost.memory.fresh) > 0 || was.TableUUID() != is.TableUUID() ||
		was.CurrentSchema().ID != is.CurrentSchema().ID || was.DefaultPartitionSpec() != is.DefaultPartitionSpec() {
		return false
	}
	w.data, w.staged, w.counts, w.checks, w.ready = lost.data, lost.staged, lost.counts, lost.checks, true
	return true
}

// account counts the table's rows after the load from what was written and
// removed, independently of the fates of the rows read.
func (w *work) account() error {
	after := int64(0)
	if !w.swaps() {
		after = w.counts.RowsBefore
	}
	for _, df := range slices.Concat(w.again.written(), w.data) {
		after += df.Count()
	}
	after -= w.gone
	w.counts.RowsAfter = after
	if err := w.target.Check(w.load, w.counts); err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	return nil
}

// writeRows runs the changes through the writer, all parts into the same files.
func (w *work) writeRows(ctx context.Context, changes *etl.Changes) error {
	rows, err := w.newRowWriter(ctx, false)
	if err != nil {
		return err
	}
	defer rows.abort()
	defer func() { w.again.abort() }()
	cause := w.settle(ctx, changes, rows)
	if cause == nil {
		cause = w.retireAbsent(ctx, changes, rows)
	}
	if cause != nil && !errors.Is(cause, errStopped) {
		return cause
	}
	rows.end()
	if cause == nil { // while the last data files are being finished
		if err := w.removeAbsent(ctx); err != nil {
			return err
		}
		if err := w.writeRemoved(ctx); err != nil {
			return err
		}
	}
	if w.data, err = rows.close(); err != nil {
		return err
	}
	if err := w.again.close(); err != nil {
		return err
	}
	return cause
}

// writeRemoved writes what takes rows out of data files, and what is to be
// remembered of keys.
func (w *work) writeRemoved(ctx context.Context) error {
	if err := w.recastFiles(ctx); err != nil {
		return err
	}
	if !w.marked {
		if err := w.markRemoved(ctx); err != nil {
			return err
		}
	}
	return w.memory.write(ctx)
}

// markRemoved writes delete files or vectors.
func (w *work) markRemoved(ctx context.Context) error {
	if w.tbl.Metadata().Version() > 2 {
		return w.writeVectors(ctx)
	}
	return w.writeDeletes(ctx)
}

// errStopped: the writer asked for no more rows.
var errStopped = errors.New("writer stopped")

func (w *work) settle(ctx context.Context, changes *etl.Changes, rows *rowWriter) error {
	for part, err := range changes.Parts(ctx) {
		if err != nil {
			return err
		}
		if err := w.settlePart(ctx, part, rows); err != nil {
			return err
		}
	}
	w.checks = changes.Verdicts()
	return nil
}

func (w *work) settlePart(ctx context.Context, part *etl.Part, rows *rowWriter) error {
	var committed etl.Committed
	var matches []*match
	if !w.swaps() && part.Len() > 0 {
		p, err := w.locator(part)
		if err != nil {
			return err
		}
		if matches, err = p.locate(ctx); err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
		defer releaseAll(matches)
		if committed.Memory, err = w.memory.recall(part); err != nil {
			return fmt.Errorf("table %s: %w", w.target.Name, err)
		}
	}
	for _, m := range matches {
		committed.Rows = append(committed.Rows, m.found)
	}
	res, err := part.Resolve(ctx, committed)
	if err != nil {
		return err
	}
	if err := w.writeBase(ctx, res); err != nil {
		return err
	}
	rows.expect(res.Expected())
	if part.Compares() { // which rows go shows when they have been compared
		if err = w.writeBatches(ctx, res, rows); err == nil {
			w.compared(matches, res)
		}
	} else {
		removed := make(chan error, 1)
		go func() { removed <- w.remove(ctx, part, matches, res) }()
		err = w.writeBatches(ctx, res, rows)
		if rerr := <-removed; err == nil {
			err = rerr
		}
	}
	if err != nil {
		return err
	}
	w.counts.Add(res.Counts())
	if w.sheet != nil {
		return w.sheet.add(ctx, part, res.Sheet())
	}
	return w.memory.remember(ctx, part, res.Memory())
}

func (w *work) writeBatches(ctx context.Context, res *etl.Resolution, rows *rowWriter) error {
	for batch, err := range res.Rows(ctx) {
		if err != nil {
			return err
		}
		if err := rows.write(batch); err != nil {
			return err
		}
	}
	return nil
}

// remove gathers the positions of the rows that go, and writes the delete files
// where no other part can add to them, both beside the writing of the new rows.
func (w *work) remove(ctx context.Context, part *etl.Part, matches []*match, res *etl.Resolution) error {
	w.takeRemoved(matches, res)
	if !part.Whole() || w.mode != mergeOnRead {
		return nil
	}
	w.marked = true
	return w.markRemoved(ctx)
}

// takeRemoved gathers the positions of the rows that go.
func (w *work) takeRemoved(matches []*match, res *etl.Resolution) {
	var g errgroup.Group
	g.SetLimit(w.sink.opts.Workers)
	for batch, m := range matches {
		g.Go(func() error {
			n := 0
			for i := range m.found.Ordinals {
				if res.RemovesRow(batch, i) {
					m.positions[n] = m.positions[i]
					n++
				}
			}
			m.positions = m.positions[:n]
			return nil
		})
	}
	_ = g.Wait() // none fails
	for _, m := range matches {
		if len(m.positions) > 0 {
			w.removed[m.file] = append(w.removed[m.file], m.positions...)
		}
	}
}

// discard removes the files of an attempt that is known not to be committed.
func (w *work) discard() {
	for _, path := range w.staged {
		// What was given up while it was written may never have been there.
		if err := w.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.sink.opts.Logger.Warn("file of a lost attempt is left for clean-up", "path", path, "error", err)
		}
	}
}
