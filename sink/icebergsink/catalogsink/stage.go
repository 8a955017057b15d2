package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// A full load that is staged has a branch of the table (Iceberg spec, "Snapshot
// References"), named after the load. The head of the branch has no parent: it holds
// the staged files and none of the table's rows. Each file staged makes a new head in
// place of the old one, so that the metadata does not grow with the number of files;
// the head's summary lists what is staged, a manifest for each file holds its data.
// Publishing commits a snapshot of main with the data files of the branch, and removes
// the branch, in one.

const (
	stagePrefix = "tidemark-staging-"
	propStage   = "tidemark.staging"       // the load, in the head's summary
	propStaged  = "tidemark.staged-files"  // what is staged, see stagedEntry
	propOpened  = "tidemark.staging-fence" // the fence it was opened under
	// the schema of the staged files, and the one that the table had then
	propStageSchema, propStageBase = "tidemark.staging-schema", "tidemark.staging-base-schema"
)

var _ etl.Stager = (*Sink)(nil)

// stagedBranch is the head of a staging.
type stagedBranch struct {
	name   string
	load   string
	fence  int64
	head   table.Snapshot
	files  map[int]stagedEntry
	schema stageSchema
}

// stageName is the branch of a load.
func stageName(load etl.Load) string {
	id := load.ID
	if len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }) {
		id = digest(id)
	}
	return stagePrefix + id
}

// stagings returns all stagings of a table, that of the load by itself; nil is none.
func stagings(meta table.Metadata, load etl.Load) (own *stagedBranch, others []*stagedBranch, err error) {
	for name, ref := range meta.Refs() {
		if ref.SnapshotRefType != table.BranchRef || !strings.HasPrefix(name, stagePrefix) {
			continue
		}
		b := &stagedBranch{name: name}
		if snap := meta.SnapshotByID(ref.SnapshotID); snap != nil {
			b.head = *snap
		}
		if b.head.Summary != nil {
			sum := b.head.Summary.Properties
			b.load, b.fence = sum[propStage], number(sum, propOpened)
			b.schema = stageSchemaOf(sum)
			if b.files, err = parseStaged(sum[propStaged]); err != nil {
				return nil, nil, terminal(fmt.Errorf("branch %s: %w", name, err))
			}
		}
		if name == stageName(load) && b.load == load.ID {
			own = b
		} else {
			others = append(others, b)
		}
	}
	return own, others, nil
}

// stagingOf loads the table and finds the staging of a load.
func (s *Sink) stagingOf(ctx context.Context, target etl.Target, load etl.Load) (*table.Table, *stagedBranch, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	own, _, err := stagings(tbl.Metadata(), load)
	return tbl, own, err
}

func notStaged(target etl.Target, load etl.Load) error {
	return fmt.Errorf("table %s: a staging of load %s: %w", target.Name, load.ID, etl.ErrNotFound)
}

// Prepare implements [etl.Stager]. A table that does not exist is created, empty.
func (s *Sink) Prepare(ctx context.Context, target etl.Target, load etl.Load) error {
	return s.contend(ctx, target, "open a staging", func() error {
		tbl, err := s.loadOrCreate(ctx, target)
		if err != nil {
			return err
		}
		past := readHistory(tbl.Metadata())
		if _, done := past.find(load.ID); done {
			return nil
		}
		own, others, err := stagings(tbl.Metadata(), load)
		if err != nil {
			return err
		}
		for _, b := range others {
			past.fence = max(past.fence, b.fence)
		}
		if err := past.admit(target.Name, load.Fence); err != nil {
			return err
		}
		schema, err := stagingSchema(tbl, own, target)
		if err != nil || own != nil && len(others) == 0 && schema.made == nil {
			return err
		}
		return s.openStaging(ctx, tbl, target, load, own, others, schema)
	})
}

// openStaging makes a branch without files, unless there is one, and removes others.
func (s *Sink) openStaging(ctx context.Context, tbl *table.Table, target etl.Target, load etl.Load, own *stagedBranch, others []*stagedBranch, schema stageSchema) error {
	w, err := newStageWork(ctx, s, tbl, target, load)
	if err != nil {
		return err
	}
	litter, err := w.filesOf(ctx, others)
	if err != nil {
		return err
	}
	c := w.newStageCommit(nil)
	c.remove(others)
	if own == nil || schema.made != nil {
		more, err := w.putStaging(c, own, schema)
		if err != nil {
			return err
		}
		litter = append(litter, more...)
	}
	if err := c.commit(ctx); err != nil {
		return err
	}
	w.clean(litter)
	return nil
}

// Staged implements [etl.Stager].
func (s *Sink) Staged(ctx context.Context, target etl.Target, load etl.Load) ([]etl.StagedFile, error) {
	_, own, err := s.stagingOf(ctx, target, load)
	if err != nil || own == nil {
		return nil, err
	}
	var out []etl.StagedFile
	for i, f := range load.Files {
		if e, ok := own.files[i]; ok {
			out = append(out, e.file(i, f.ID()))
		}
	}
	return out, nil
}

// Discard implements [etl.Stager].
func (s *Sink) Discard(ctx context.Context, target etl.Target) error {
	return s.contend(ctx, target, "remove stagings", func() error {
		tbl, err := s.load(ctx, target.Name)
		if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
			return nil
		}
		if err != nil {
			return err
		}
		own, others, err := stagings(tbl.Metadata(), etl.Load{})
		if own != nil {
			others = append(others, own)
		}
		if err != nil || len(others) == 0 {
			return err
		}
		return s.openStaging(ctx, tbl, target, etl.Load{Kind: etl.Full}, &stagedBranch{}, others, stageSchema{})
	})
}

// contend repeats what another writer got in the way of. An unknown outcome is
// looked at like a conflict: fn sees what is there now.
func (s *Sink) contend(ctx context.Context, target etl.Target, what string, fn func() error) error {
	var last error
	for attempt := range s.opts.Attempts {
		if err := pause(ctx, attempt); err != nil {
			return errors.Join(err, last)
		}
		err := fn()
		if err == nil || !isConflict(err) && !errors.Is(err, etl.ErrUnknownCommit) || etl.OutcomeOf(err) == etl.Terminal {
			return err
		}
		last = err
	}
	return fmt.Errorf("table %s: %s: gave up after %d attempts: %w", target.Name, what, s.opts.Attempts, last)
}

// stageCommit is a change of the branches of a table that leaves main as it is.
type stageCommit struct {
	w       *work
	reqs    []table.Requirement
	updates []table.Update
}

// newStageCommit asserts that main is as it was read: a snapshot without a parent
// would not be refused where its sequence number is used up.
func (w *work) newStageCommit(head *table.Snapshot) *stageCommit {
	c := &stageCommit{w: w}
	var main *int64
	if snap := w.tbl.SnapshotByName(table.MainBranch); snap != nil {
		main = &snap.SnapshotID
	}
	c.reqs = append(c.reqs, table.AssertTableUUID(w.tbl.Metadata().TableUUID()), table.AssertRefSnapshotID(table.MainBranch, main))
	if head != nil {
		c.reqs = append(c.reqs, table.AssertRefSnapshotID(stageName(w.load), &head.SnapshotID))
	}
	return c
}

// remove removes branches with their snapshots.
func (c *stageCommit) remove(branches []*stagedBranch) {
	var ids []int64
	for _, b := range branches {
		c.reqs = append(c.reqs, table.AssertRefSnapshotID(b.name, &b.head.SnapshotID))
		c.updates = append(c.updates, table.NewRemoveSnapshotRefUpdate(b.name))
		ids = append(ids, b.head.SnapshotID)
	}
	if len(ids) > 0 {
		c.updates = append(c.updates, table.NewRemoveSnapshotsUpdate(ids, false))
	}
}

// put makes r the head of the branch, in place of old.
func (c *stageCommit) put(r *revision, load etl.Load, old *stagedBranch, schema stageSchema, files map[int]stagedEntry, manifests []iceberg.ManifestFile) error {
	meta := c.w.tbl.Metadata()
	fence := load.Fence
	if old != nil {
		fence = old.fence
	}
	snap := &table.Snapshot{
		SnapshotID: r.id, SequenceNumber: meta.LastSequenceNumber() + 1,
		TimestampMs: time.Now().UnixMilli(), SchemaID: &meta.CurrentSchema().ID,
		Summary: &table.Summary{Operation: table.OpAppend, Properties: iceberg.Properties{
			propStage: load.ID, propOpened: fmt.Sprint(fence), propStaged: formatStaged(files),
		}},
	}
	schema.mark(snap)
	if err := r.list(snap, manifests); err != nil {
		return err
	}
	name := stageName(load)
	c.updates = append(c.updates, table.NewAddSnapshotUpdate(snap), table.NewSetSnapshotRefUpdate(name, r.id, table.BranchRef, 0, 0, 0))
	if old == nil {
		c.reqs = append(c.reqs, table.AssertRefSnapshotID(name, nil))
	} else {
		c.updates = append(c.updates, table.NewRemoveSnapshotsUpdate([]int64{old.head.SnapshotID}, false))
	}
	return nil
}

func (c *stageCommit) commit(ctx context.Context) error {
	meta, _, err := c.w.sink.cat.CommitTable(ctx, c.w.tbl.Identifier(), c.reqs, c.updates)
	if err != nil {
		return fmt.Errorf("table %s: commit a staging: %w", c.w.target.Name, commitError(err))
	}
	(&revision{w: c.w}).dropOldMetadata(meta)
	return nil
}
