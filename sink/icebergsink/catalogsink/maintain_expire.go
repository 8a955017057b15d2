package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// readerGrace is how long a snapshot is kept for those who read it, however
// many there are, unless the age configured is less.
const readerGrace = time.Hour

// expire removes old snapshots from the metadata, then the files that only they
// held.
func (u *upkeep) expire(ctx context.Context) error {
	if u.opts.SnapshotAge < 0 {
		return nil
	}
	if !u.tbl.Properties().GetBool(table.GCEnabledKey, true) {
		u.note("no snapshot expires and no file is removed: the table says %s=false", table.GCEnabledKey)
		return nil
	}
	gone := expired(u.tbl.Metadata(), u.opts.Maintenance, u.sink.opts.Now())
	if len(gone) == 0 {
		return nil
	}
	if u.opts.DryRun {
		u.rep.ExpiredSnapshots = len(gone)
		return nil
	}
	ids := make([]int64, len(gone))
	for i, snap := range gone {
		ids[i] = snap.SnapshotID
	}
	reqs, _ := u.assertions()
	meta, _, err := u.sink.cat.CommitTable(ctx, u.tbl.Identifier(), reqs, []table.Update{table.NewRemoveSnapshotsUpdate(ids, false)})
	if err != nil {
		return fmt.Errorf("table %s: expire snapshots: %w", u.target.Name, commitError(err))
	}
	(&revision{w: u.work}).dropOldMetadata(meta)
	tbl, err := u.sink.load(ctx, u.target.Name)
	if err != nil {
		return err
	}
	for _, snap := range gone {
		if tbl.Metadata().SnapshotByID(snap.SnapshotID) != nil {
			return fmt.Errorf("table %s: expire snapshots: %w", u.target.Name, etl.ErrUnknownCommit)
		}
	}
	u.rep.ExpiredSnapshots = len(gone)
	if err := u.relook(ctx, tbl); err != nil {
		return err
	}
	if u.rep.FreedFiles, err = u.free(ctx, gone); err != nil {
		return fmt.Errorf("table %s: files of expired snapshots: %w", u.target.Name, err)
	}
	return nil
}

// expired says which snapshots to drop. A snapshot's age counts from the commit
// that replaced it: until then readers open it. Of main a stretch of the newest
// is kept, which reaches back to the snapshot of the newest load.
func expired(meta table.Metadata, m etl.Maintenance, now time.Time) []table.Snapshot {
	keep := map[int64]bool{}
	mains := map[int64]bool{}
	for name, ref := range meta.Refs() {
		keep[ref.SnapshotID] = true
		if ref.SnapshotRefType != table.BranchRef {
			continue
		}
		chain := ancestry(meta, ref.SnapshotID)
		if name == table.MainBranch {
			for _, snap := range chain {
				mains[snap.SnapshotID] = true
			}
		}
		for _, snap := range chain[:stretch(chain, ref, m, now)] {
			keep[snap.SnapshotID] = true
		}
	}
	var gone []table.Snapshot
	for _, snap := range meta.Snapshots() {
		if keep[snap.SnapshotID] || !mains[snap.SnapshotID] && now.Sub(time.UnixMilli(snap.TimestampMs)) < m.SnapshotAge {
			continue
		}
		gone = append(gone, snap)
	}
	return gone
}

// ancestry lists the snapshots that led to one, newest first.
func ancestry(meta table.Metadata, id int64) (chain []*table.Snapshot) {
	for snap := meta.SnapshotByID(id); snap != nil; {
		chain = append(chain, snap)
		if snap.ParentSnapshotID == nil {
			break
		}
		snap = meta.SnapshotByID(*snap.ParentSnapshotID)
	}
	return chain
}

// stretch returns how many of the newest snapshots of a branch are kept.
func stretch(chain []*table.Snapshot, ref table.SnapshotRef, m etl.Maintenance, now time.Time) int {
	least := max(m.KeepSnapshots, value0(ref.MinSnapshotsToKeep), 1)
	age := max(m.SnapshotAge, time.Duration(value0(ref.MaxSnapshotAgeMs))*time.Millisecond)
	n := min(1, len(chain))
	for ; n < len(chain); n++ {
		replaced := now.Sub(time.UnixMilli(chain[n-1].TimestampMs))
		tooMany := m.MaxSnapshots > 0 && n >= m.MaxSnapshots && replaced >= min(age, readerGrace)
		if n >= least && replaced >= age || tooMany {
			break
		}
	}
	for i, snap := range chain {
		if snap.Summary != nil && snap.Summary.Properties[propLoad] != "" {
			return max(n, i+1)
		}
	}
	return n
}

// free removes the files that snapshots held which have expired, and no
// retained one holds.
func (u *upkeep) free(ctx context.Context, gone []table.Snapshot) (int, error) {
	held, err := u.manifestsOf(ctx, u.tbl.Metadata().Snapshots())
	if err != nil {
		return 0, err
	}
	old, err := u.manifestsOf(ctx, gone)
	if err != nil {
		return 0, err
	}
	free := map[string]bool{}
	for path := range old {
		if _, ok := held[path]; ok {
			delete(old, path)
			continue
		}
		free[path] = true
	}
	var mu sync.Mutex
	if err := u.eachLive(ctx, old, func(path string) { mu.Lock(); free[path] = true; mu.Unlock() }); err != nil {
		return 0, err
	}
	if len(old) > 0 {
		if err := u.eachLive(ctx, held, func(path string) { mu.Lock(); delete(free, path); mu.Unlock() }); err != nil {
			return 0, err
		}
	}
	for _, snap := range gone {
		free[snap.ManifestList] = true
	}
	for _, snap := range u.tbl.Metadata().Snapshots() {
		delete(free, snap.ManifestList)
	}
	delete(free, "")
	paths := make([]string, 0, len(free))
	for path := range free {
		paths = append(paths, path)
	}
	return len(paths), u.remove(ctx, paths)
}

// manifestsOf returns the manifests of snapshots by their paths.
func (u *upkeep) manifestsOf(ctx context.Context, snaps []table.Snapshot) (map[string]iceberg.ManifestFile, error) {
	out := map[string]iceberg.ManifestFile{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * u.sink.opts.Workers)
	for _, snap := range snaps {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			manifests, err := snap.Manifests(u.work.fs)
			if err != nil {
				return fmt.Errorf("manifest list %s: %w", snap.ManifestList, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range manifests {
				out[m.FilePath()] = m
			}
			return nil
		})
	}
	return out, g.Wait()
}

// eachLive calls each, from several goroutines, for the files that manifests hold.
func (u *upkeep) eachLive(ctx context.Context, manifests map[string]iceberg.ManifestFile, each func(path string)) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * u.sink.opts.Workers)
	for path, m := range manifests {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			for e, err := range m.Entries(u.work.fs, true) {
				if err != nil {
					return fmt.Errorf("manifest %s: %w", path, err)
				}
				each(e.DataFile().FilePath())
			}
			return nil
		})
	}
	return g.Wait()
}

// remove removes files. What is not there any more is no error; what could not
// be removed is left for the next sweep.
func (u *upkeep) remove(ctx context.Context, paths []string) error {
	if bulk, ok := u.work.fs.(iceio.BulkRemovableIO); ok {
		if _, err := bulk.DeleteFiles(ctx, paths); err == nil {
			return nil
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * u.sink.opts.Workers)
	for _, path := range paths {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := u.work.fs.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove %s: %w", path, err)
			}
			return nil
		})
	}
	return g.Wait()
}
