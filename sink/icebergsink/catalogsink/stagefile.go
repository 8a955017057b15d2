package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/tidemark-data/etl"
)

// newStageWork is newWork without a look at what the table holds.
func newStageWork(ctx context.Context, s *Sink, tbl *table.Table, target etl.Target, load etl.Load) (*work, error) {
	files, err := writable(ctx, tbl, target.Name)
	if err != nil {
		return nil, err
	}
	w := &work{
		sink: s, tbl: tbl, fs: files, past: readHistory(tbl.Metadata()), target: target, load: load, removed: map[*dataFile][]int64{},
		list: &listing{fs: files, workers: s.opts.Workers, byPath: map[string]*dataFile{}},
	}
	if w.mode, err = modeOf(target, tbl.Properties()); err != nil {
		return nil, err
	}
	fields := make([]arrow.Field, len(target.Columns))
	for i, col := range target.Columns {
		fields[i] = arrow.Field{Name: col.Name, Type: col.Type.Arrow(), Nullable: !required(target, col)}
	}
	w.schema = arrow.NewSchema(fields, nil)
	w.memory, err = openMemory(ctx, w)
	return w, err
}

// Stage implements [etl.Stager].
func (s *Sink) Stage(ctx context.Context, target etl.Target, load etl.Load, i int, changes *etl.Changes) (etl.StagedFile, error) {
	tbl, own, err := s.stagingOf(ctx, target, load)
	if err != nil {
		return etl.StagedFile{}, err
	}
	if own == nil || i < 0 || i >= len(load.Files) {
		return etl.StagedFile{}, notStaged(target, load)
	}
	if e, ok := own.files[i]; ok {
		f := e.file(i, load.Files[i].ID())
		f.Found = true
		return f, nil
	}
	if tbl, _, err = own.schema.table(tbl, target, false); err != nil {
		return etl.StagedFile{}, err
	}
	one := load
	one.Files = load.Files[i : i+1] // by whose size the writer goes
	w, err := newStageWork(ctx, s, tbl, target, one)
	if err != nil {
		return etl.StagedFile{}, err
	}
	entry, err := w.stageRows(ctx, changes)
	if err != nil {
		w.discard()
		return etl.StagedFile{}, err
	}
	w.load = load
	return s.enter(ctx, w, i, entry)
}

// stageRows writes the rows of a file, and its sheet.
func (w *work) stageRows(ctx context.Context, changes *etl.Changes) (stagedEntry, error) {
	e := stagedEntry{run: uuid.NewString()}
	sheet, err := w.newSheet(e.run)
	if err != nil {
		return e, err
	}
	defer sheet.abort()
	w.sheet = sheet
	if err := w.writeRows(ctx, changes); err != nil {
		return e, err
	}
	if err := w.account(); err != nil {
		return e, err
	}
	if e.sheet, err = sheet.close(); err != nil {
		return e, err
	}
	e.counts, e.files = w.counts, len(w.data)
	e.counts.RowsAfter = 0
	for _, df := range w.data {
		e.bytes += df.FileSizeBytes()
	}
	return e, nil
}

// entering is a staged file on its way into the branch.
type entering struct {
	w         *work
	i         int
	entry     stagedEntry
	r         *revision
	manifests []iceberg.ManifestFile
	asked     bool     // for a commit, at least once
	lists     []string // manifest lists written
}

// enter adds a file that is written to the branch. Once a commit was asked for its
// files are given up only where the branch shows that they are not in it: they may
// have been published already.
func (s *Sink) enter(ctx context.Context, w *work, i int, entry stagedEntry) (etl.StagedFile, error) {
	e := &entering{w: w, i: i, entry: entry, r: w.newRevision()}
	e.r.run = entry.run
	e.r.add(w.data...)
	var err error
	if e.manifests, err = e.r.added(); err != nil {
		w.discard()
		return etl.StagedFile{}, fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	var out etl.StagedFile
	err = s.contend(ctx, w.target, "stage a file", func() (err error) {
		out, err = e.try(ctx)
		return err
	})
	return out, err
}

func (e *entering) try(ctx context.Context) (etl.StagedFile, error) {
	w := e.w
	id := w.load.Files[e.i].ID()
	tbl, own, err := w.sink.stagingOf(ctx, w.target, w.load)
	if err != nil {
		return etl.StagedFile{}, err
	}
	if own == nil {
		if !e.asked {
			w.discard()
		}
		return etl.StagedFile{}, notStaged(w.target, w.load)
	}
	if there, ok := own.files[e.i]; ok {
		f := there.file(e.i, id)
		if there.run != e.entry.run { // another process was faster
			w.discard()
			f.Found = true
		}
		return f, nil
	}
	w.tbl = tbl
	manifests, err := own.head.Manifests(w.fs)
	if errors.Is(err, fs.ErrNotExist) { // removed with a head that has just been replaced
		return etl.StagedFile{}, &conflictError{err}
	}
	if err != nil {
		return etl.StagedFile{}, fmt.Errorf("table %s: manifest list: %w", w.target.Name, err)
	}
	files := own.files
	files[e.i] = e.entry
	c := w.newStageCommit(&own.head)
	before := len(w.staged)
	e.r.run = uuid.NewString() // no list is written over
	if err := c.put(e.r, w.load, own, own.schema, files, append(manifests, e.manifests...)); err != nil {
		return etl.StagedFile{}, fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	superseded := slices.Concat(e.lists, []string{own.head.ManifestList})
	e.asked, e.lists = true, slices.Concat(e.lists, w.staged[before:])
	if err := c.commit(ctx); err != nil {
		return etl.StagedFile{}, err
	}
	w.clean(superseded)
	return e.entry.file(e.i, id), nil
}

// filesOf lists what stagings consist of.
func (w *work) filesOf(ctx context.Context, branches []*stagedBranch) ([]string, error) {
	var paths []string
	for _, b := range branches {
		for _, e := range b.files {
			if e.sheet {
				paths = append(paths, w.sink.sheetPath(w.tbl.Location(), w.target.Name, e.run))
			}
		}
		manifests, err := b.head.Manifests(w.fs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("table %s: branch %s: %w", w.target.Name, b.name, err)
		}
		for _, m := range manifests {
			for e, err := range m.Entries(w.fs, true) {
				if err = errors.Join(err, ctx.Err()); err != nil {
					return nil, fmt.Errorf("table %s: branch %s: %w", w.target.Name, b.name, err)
				}
				paths = append(paths, e.DataFile().FilePath())
			}
			paths = append(paths, m.FilePath())
		}
		paths = append(paths, b.head.ManifestList)
	}
	return paths, nil
}

// clean removes files that nothing refers to any more. What cannot be removed is
// left for the sweep of orphans.
func (w *work) clean(paths []string) {
	for _, path := range paths {
		if path == "" {
			continue
		}
		if err := w.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.sink.opts.Logger.Warn("file of a staging is left for clean-up", "path", path, "error", err)
		}
	}
}
