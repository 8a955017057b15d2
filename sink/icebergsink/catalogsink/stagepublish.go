package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// Publish implements [etl.Stager].
func (s *Sink) Publish(ctx context.Context, target etl.Target, load etl.Load) (etl.Receipt, error) {
	var last error
	unknown := 0
	for attempt := range s.opts.Attempts {
		if err := pause(ctx, attempt); err != nil {
			return etl.Receipt{}, errors.Join(err, last)
		}
		receipt, err := s.tryPublish(ctx, target, load)
		if err == nil || !isConflict(err) {
			return receipt, err
		}
		if errors.Is(err, etl.ErrUnknownCommit) {
			if unknown++; unknown > 1 {
				return etl.Receipt{}, err
			}
		}
		last = err
	}
	return etl.Receipt{}, fmt.Errorf("table %s: gave up after %d attempts: %w", target.Name, s.opts.Attempts, last)
}

func (s *Sink) tryPublish(ctx context.Context, target etl.Target, load etl.Load) (etl.Receipt, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return etl.Receipt{}, notStaged(target, load)
	}
	if err != nil {
		return etl.Receipt{}, err
	}
	past := readHistory(tbl.Metadata())
	if receipt, ok := past.find(load.ID); ok {
		return receipt, nil
	}
	if err := past.admit(target.Name, load.Fence); err != nil {
		return etl.Receipt{}, err
	}
	own, _, err := stagings(tbl.Metadata(), load)
	if err != nil {
		return etl.Receipt{}, err
	}
	if own == nil || len(own.files) < len(load.Files) {
		return etl.Receipt{}, notStaged(target, load)
	}
	tbl, made, err := own.schema.table(tbl, target, true)
	if err != nil {
		return etl.Receipt{}, err
	}
	w, err := newWork(ctx, s, tbl, past, target, load)
	if err != nil {
		return etl.Receipt{}, err
	}
	w.remake = made
	p := &publication{work: w, main: w.list, branch: own}
	return p.run(ctx)
}

// publication is one attempt to make a staging the table.
type publication struct {
	*work     // whose listing is that of the branch
	main      *listing
	branch    *stagedBranch
	files     []*stagedData // by index in the load
	data      []*dataFile   // all of them
	manifests []string
}

// stagedData are the data files of one file of the load.
type stagedData struct {
	stagedEntry
	data []*dataFile
}

func (p *publication) run(ctx context.Context) (etl.Receipt, error) {
	if err := p.build(ctx); err != nil {
		p.discard()
		return etl.Receipt{}, err
	}
	committed, err := p.commitPublished(ctx)
	switch {
	case err == nil:
		snap := committed.SnapshotByName(table.MainBranch)
		if snap == nil || snap.Summary == nil {
			return etl.Receipt{}, fmt.Errorf("table %s: no snapshot after the commit: %w", p.target.Name, etl.ErrUnknownCommit)
		}
		p.clean(p.leftovers())
		return receiptOf(*snap), nil
	case isConflict(err), errors.Is(err, etl.ErrUnknownCommit):
		var lost *work
		receipt, err := p.sink.settle(ctx, p.work, err, &lost)
		if lost != nil {
			lost.discard()
		}
		return receipt, err
	default:
		p.discard() // no commit was asked for
		return etl.Receipt{}, err
	}
}

// build settles the staged files against each other, and checks that all is there.
func (p *publication) build(ctx context.Context) (err error) {
	if p.counts.RowsBefore, err = p.rowsBefore(ctx); err != nil {
		return err
	}
	p.list = &listing{fs: p.fs, workers: p.sink.opts.Workers, byPath: map[string]*dataFile{}}
	if err := p.read(ctx); err != nil {
		return fmt.Errorf("table %s: %w", p.target.Name, err)
	}
	if err := p.present(ctx); err != nil {
		return fmt.Errorf("table %s: %w", p.target.Name, err)
	}
	if err := p.settleFiles(ctx); err != nil {
		return fmt.Errorf("table %s: %w", p.target.Name, err)
	}
	for _, f := range p.data {
		p.work.data = append(p.work.data, f.DataFile)
	}
	if err := p.writeRemoved(ctx); err != nil {
		return err
	}
	return p.account()
}

// read reads the manifests of the branch, each of one file of the load.
func (p *publication) read(ctx context.Context) error {
	byRun := map[string]*stagedData{}
	p.files = make([]*stagedData, len(p.load.Files))
	for i := range p.files {
		entry, ok := p.branch.files[i]
		if !ok {
			return notStaged(p.target, p.load)
		}
		p.files[i] = &stagedData{stagedEntry: entry}
		byRun[entry.run] = p.files[i]
		p.counts.Add(entry.counts)
	}
	manifests, err := p.branch.head.Manifests(p.fs)
	if err != nil {
		return fmt.Errorf("manifest list of the staging: %w", err)
	}
	for _, m := range manifests {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := base(m.FilePath())
		f := byRun[name[:max(strings.LastIndex(name, "-m"), 0)]]
		if f == nil {
			return terminal(fmt.Errorf("manifest %s is of no staged file", m.FilePath()))
		}
		for e, err := range m.Entries(p.fs, true) {
			if err != nil {
				return fmt.Errorf("manifest %s: %w", m.FilePath(), err)
			}
			p.list.add(e)
			f.data = append(f.data, p.list.byPath[e.DataFile().FilePath()])
		}
		p.manifests = append(p.manifests, m.FilePath())
	}
	p.data = p.list.data
	return nil
}

// present checks that the data files are there, and hold the rows that were counted
// when they were staged.
func (p *publication) present(ctx context.Context) error {
	for i, f := range p.files {
		rows := int64(0)
		for _, df := range f.data {
			rows += df.Count()
		}
		if rows != f.counts.Inserted || len(f.data) != f.files {
			return fmt.Errorf("%w: %d rows in %d data files are staged of %s, expected %d in %d", etl.ErrAccounting,
				rows, len(f.data), p.load.Files[i].Location, f.counts.Inserted, f.files)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * p.sink.opts.Workers)
	for _, f := range p.data {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return p.sizeIs(f)
		})
	}
	return g.Wait()
}

func (p *publication) sizeIs(f iceberg.DataFile) error {
	in, err := p.fs.Open(f.FilePath())
	if err != nil {
		return fmt.Errorf("staged data file: open %s: %w", f.FilePath(), err)
	}
	info, err := in.Stat()
	if err = errors.Join(err, in.Close()); err != nil {
		return fmt.Errorf("staged data file %s: %w", f.FilePath(), err)
	}
	if info.Size() != f.FileSizeBytes() {
		return terminal(fmt.Errorf("staged data file %s has %d bytes, was written with %d", f.FilePath(), info.Size(), f.FileSizeBytes()))
	}
	return nil
}

// commitPublished replaces what main holds by the staged files, but for the rows that
// lost against those of other files, and removes the branch.
func (p *publication) commitPublished(ctx context.Context) (*table.Table, error) {
	r := p.newRevision()
	p.fill(r)
	snap, err := r.stage(ctx)
	if err != nil {
		return nil, fmt.Errorf("table %s: stage the snapshot: %w", p.target.Name, err)
	}
	_, props := p.marks()
	reqs := []table.Requirement{
		table.AssertTableUUID(p.tbl.Metadata().TableUUID()), table.AssertRefSnapshotID(table.MainBranch, snap.ParentSnapshotID),
		table.AssertRefSnapshotID(p.branch.name, &p.branch.head.SnapshotID),
	}
	var updates []table.Update
	if p.remake.remakes() {
		reqs = append(reqs, table.AssertCurrentSchemaID(p.branch.schema.base))
		updates = append(updates, table.NewSetCurrentSchemaUpdate(p.branch.schema.id))
	}
	updates = append(updates,
		table.NewAddSnapshotUpdate(snap), table.NewSetSnapshotRefUpdate(table.MainBranch, r.id, table.BranchRef, 0, 0, 0),
		table.NewRemoveSnapshotRefUpdate(p.branch.name), table.NewRemoveSnapshotsUpdate([]int64{p.branch.head.SnapshotID}, false),
		table.NewSetPropertiesUpdate(props))
	meta, location, err := p.sink.cat.CommitTable(ctx, p.tbl.Identifier(), reqs, updates)
	if err != nil {
		return nil, fmt.Errorf("table %s: commit: %w", p.target.Name, commitError(err))
	}
	r.dropOldMetadata(meta)
	return table.New(p.tbl.Identifier(), meta, location, p.tbl.FS, nil), nil
}

// fill says which files come and which go.
func (p *publication) fill(r *revision) {
	replaced := map[string]bool{}
	for _, c := range p.recast {
		replaced[c.old.FilePath()] = true
		if c.new != nil {
			r.add(c.new)
		}
	}
	for _, f := range p.data {
		if !replaced[f.FilePath()] {
			r.add(f.DataFile)
		}
	}
	r.add(p.deletes...)
	for _, f := range p.main.data {
		r.gone[f.FilePath()] = true
	}
	for _, d := range p.main.deletes {
		if isVector(d) {
			r.voided[*d.ReferencedDataFile()] = true
		} else {
			r.gone[d.FilePath()] = true
		}
	}
}

// leftovers are the files of the branch that the table does not take over.
func (p *publication) leftovers() []string {
	paths := append([]string{p.branch.head.ManifestList}, p.manifests...)
	for _, c := range p.recast {
		paths = append(paths, c.old.FilePath())
	}
	for _, f := range p.files {
		if f.sheet {
			paths = append(paths, p.sink.sheetPath(p.tbl.Location(), p.target.Name, f.run))
		}
	}
	return paths
}
