package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/tidemark-data/etl"
)

// What maintenance leaves in the summaries of its snapshots: what it did, and an
// identity by which it finds its own commit. No load ID is among it, so whoever
// looks for loads passes over them.
const (
	propUpkeep   = "tidemark.maintenance"
	propUpkeepID = "tidemark.maintenance-id"
)

// The steps that make snapshots.
const (
	stepCompact   = "compact"
	stepDeletes   = "merge-deletes"
	stepManifests = "merge-manifests"
)

var _ etl.Maintainer = (*Sink)(nil)

// Maintain implements [etl.Maintainer]. Every step is one commit, asserts the
// head of main that it has seen, and replaces files by ones of the same rows:
//
//   - data files that are small or have many deleted rows are rewritten. Those of
//     the full load that opened the epoch and those of changes are kept apart,
//     each under a data sequence number of the files replaced (Iceberg spec,
//     "Sequence Number Inheritance"), so a late change still beats the rows of
//     the full load, and those alone;
//   - delete files of one data file are merged into one;
//   - small manifests are merged, data and delete manifests alike;
//   - snapshots that were replaced long ago expire, with the files that only
//     they held;
//   - with opts.Sweep, files in the table's location that nothing refers to are
//     removed, and side files that no snapshot names. Before that the fence is
//     recorded in the table, so that no older load commits such a file any more.
//
// The files of tables with equality deletes are not rewritten, which the report
// notes. In format version 3 rows keep their ids, delete files are vectors, of
// which there is one for each data file, and manifests are not merged.
func (s *Sink) Maintain(ctx context.Context, target etl.Target, opts etl.MaintainOptions) (rep etl.MaintainReport, err error) {
	opts.Maintenance = opts.WithDefaults()
	u := &upkeep{sink: s, target: target, opts: opts, rep: &rep}
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return rep, nil
	}
	if err != nil {
		return rep, err
	}
	if err := checkTable(tbl, target); err != nil {
		return rep, err
	}
	if err := u.look(ctx, tbl); err != nil {
		return rep, err
	}
	if rep.Before, err = u.shape(); err != nil {
		return rep, err
	}
	rep.After = rep.Before
	if opts.Fence > 0 {
		if err := u.work.past.admit(target.Name, opts.Fence); err != nil {
			return rep, err
		}
	}
	steps := []func(context.Context) error{u.compact, u.mergeDeletes, u.mergeManifests, u.expire, u.sweep}
	if n := u.work.list.equal; n > 0 {
		u.note("files are left as they are: the table has %d equality-delete files of another writer", n)
		steps = steps[2:]
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return rep, err
		}
	}
	return rep, nil
}

// upkeep is one call of Maintain.
type upkeep struct {
	sink   *Sink
	target etl.Target
	opts   etl.MaintainOptions
	rep    *etl.MaintainReport
	// work is what a load would see of the table as it is now.
	work *work
	tbl  *table.Table
	// settled are the data files that compaction replaces. They are gone by the
	// next step, unless it is a dry run.
	settled []*dataFile
}

// look reads the table's files.
func (u *upkeep) look(ctx context.Context, tbl *table.Table) error {
	// A full load remembers nothing of the orders that are kept, and does not
	// mind equality deletes.
	w, err := newWork(ctx, u.sink, tbl, readHistory(tbl.Metadata()), u.target, etl.Load{Kind: etl.Full, Fence: u.opts.Fence})
	if err != nil {
		return err
	}
	u.tbl, u.work = tbl, w
	return nil
}

func (u *upkeep) shape() (etl.TableShape, error) {
	shape := etl.TableShape{
		Snapshots: len(u.tbl.Metadata().Snapshots()),
		DataFiles: len(u.work.list.data), DeleteFiles: len(u.work.list.deletes),
	}
	for _, f := range u.work.list.data {
		shape.Bytes += f.FileSizeBytes()
	}
	for _, d := range u.work.list.deletes {
		shape.Bytes += d.FileSizeBytes()
	}
	manifests, err := u.manifests()
	shape.Manifests = len(manifests)
	return shape, err
}

func (u *upkeep) manifests() ([]iceberg.ManifestFile, error) {
	snap := u.tbl.SnapshotByName(table.MainBranch)
	if snap == nil {
		return nil, nil
	}
	manifests, err := snap.Manifests(u.work.fs)
	if err != nil {
		return nil, fmt.Errorf("table %s: manifest list: %w", u.target.Name, err)
	}
	return manifests, nil
}

// commit makes one snapshot by a transaction of the library.
func (u *upkeep) commit(ctx context.Context, step string, stage func(*table.Transaction, iceberg.Properties) error) error {
	tx, err := begin(u.tbl)
	if err != nil {
		return err
	}
	marks := u.marks(step)
	if err := stage(tx, marks); err != nil {
		u.work.discard()
		return fmt.Errorf("table %s: %s: stage the snapshot: %w", u.target.Name, step, err)
	}
	if u.opts.Fence > 0 {
		if err := tx.SetProperties(iceberg.Properties{propFence: marks[propFence]}); err != nil {
			return fmt.Errorf("table %s: %s: %w", u.target.Name, step, err)
		}
	}
	_, err = tx.Commit(ctx)
	return u.committed(ctx, step, marks[propUpkeepID], err)
}

func (u *upkeep) marks(step string) iceberg.Properties {
	marks := iceberg.Properties{propUpkeep: step, propUpkeepID: uuid.NewString()}
	if u.opts.Fence > 0 {
		marks[propFence] = strconv.FormatInt(u.opts.Fence, 10)
	}
	return marks
}

// committed finds out what became of a commit and reads the table anew. Files
// are given up only after a refusal, and only if the commit is not there: the
// refusal can be the answer to a client's own repetition.
func (u *upkeep) committed(ctx context.Context, step, id string, err error) error {
	err = commitError(err)
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	tbl, lerr := u.sink.load(look, u.target.Name)
	if lerr != nil {
		return fmt.Errorf("table %s: %s: %w: %w", u.target.Name, step, etl.ErrUnknownCommit, errors.Join(err, lerr))
	}
	snap := byUpkeepID(tbl.Metadata(), id)
	if snap == nil {
		if isConflict(err) {
			u.work.discard()
		} else {
			err = fmt.Errorf("not found after the commit: %w", errors.Join(etl.ErrUnknownCommit, err))
		}
		return fmt.Errorf("table %s: %s: %w", u.target.Name, step, err)
	}
	u.rep.Commits = append(u.rep.Commits, strconv.FormatInt(snap.SnapshotID, 10))
	return u.relook(ctx, tbl)
}

// relook reads the table after a commit, and tells its shape.
func (u *upkeep) relook(ctx context.Context, tbl *table.Table) (err error) {
	if err := u.look(ctx, tbl); err != nil {
		return err
	}
	u.rep.After, err = u.shape()
	return err
}

func byUpkeepID(meta table.Metadata, id string) *table.Snapshot {
	for _, snap := range meta.Snapshots() {
		if snap.Summary != nil && snap.Summary.Properties[propUpkeepID] == id {
			return &snap
		}
	}
	return nil
}

func (u *upkeep) note(format string, args ...any) {
	u.rep.Notes = append(u.rep.Notes, fmt.Sprintf(format, args...))
}
