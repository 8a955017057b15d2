package etl

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Maintainer is an optional ability of a [Sink]: it keeps tables in shape.
type Maintainer interface {
	// Maintain does a bounded share of what the table needs, and says in the
	// report if there is more. It changes no row that a reader sees. What it
	// commits is marked and is no load: Applied and Standing tell of the same
	// loads as before, except of those whose snapshots have expired.
	//
	// It may be ended at any moment; what is then left over are files that
	// nothing refers to. It returns an error that wraps ErrConflict where a
	// concurrent writer was faster, and ErrStaleFence where the table carries a
	// newer fence than opts.Fence: nothing is lost by either, and the report
	// tells what was done before.
	Maintain(ctx context.Context, target Target, opts MaintainOptions) (MaintainReport, error)
}

// Maintenance says how a table is kept in shape. The zero value suits most
// tables. What is negative is never done.
type Maintenance struct {
	// Auto maintains the table after Drain has applied loads, if the sink can.
	// Files that nothing refers to are looked for by [Runner.Maintain] only.
	Auto bool
	// TargetFileSize is the size in bytes that data files are rewritten to; zero
	// is 128 MiB. Files below three quarters of it are small.
	TargetFileSize int64
	// SmallFiles is how many small data files of like size a partition may have
	// before they are rewritten into one; zero is 16.
	SmallFiles int
	// DeleteRatio is the share of a data file's rows that may be deleted before
	// it is rewritten; zero is 0.3.
	DeleteRatio float64
	// DeleteFiles is how many delete files a data file may have before they are
	// merged into one; zero is 8.
	DeleteFiles int
	// Manifests is how many small manifests a table may have before they are
	// merged; zero is 64.
	Manifests int
	// RewriteBytes bounds the data that is rewritten while the table is locked;
	// zero is 2 GiB.
	RewriteBytes int64

	// SnapshotAge is how long after it was replaced a snapshot is kept; zero is
	// 5 days. Readers that take longer than that fail.
	SnapshotAge time.Duration
	// KeepSnapshots is how many of the newest snapshots are kept whatever their
	// age; zero is 10. The snapshot of the newest load is always kept.
	KeepSnapshots int
	// MaxSnapshots is how many snapshots a table may have before those replaced
	// more than an hour ago expire whatever their age; zero is 1,000.
	MaxSnapshots int
	// OrphanAge is how old a file must be that no retained snapshot refers to
	// before it is removed; zero is 24 hours. It must be longer than any load of
	// any writer runs, since files of a load are in no snapshot until it commits.
	OrphanAge time.Duration
}

// minOrphanAge is the least [Maintenance.OrphanAge] of a declared table.
const minOrphanAge = time.Hour

// WithDefaults returns m with its zero values filled in.
func (m Maintenance) WithDefaults() Maintenance {
	orElse(&m.TargetFileSize, 128<<20)
	orElse(&m.SmallFiles, 16)
	orElse(&m.DeleteRatio, 0.3)
	orElse(&m.DeleteFiles, 8)
	orElse(&m.Manifests, 64)
	orElse(&m.RewriteBytes, 2<<30)
	orElse(&m.SnapshotAge, 5*24*time.Hour)
	orElse(&m.KeepSnapshots, 10)
	orElse(&m.MaxSnapshots, 1000)
	orElse(&m.OrphanAge, 24*time.Hour)
	return m
}

func orElse[T int | int64 | float64 | time.Duration](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}

func (m Maintenance) check(p *problems) {
	if m.TargetFileSize < 0 || m.RewriteBytes < 0 {
		p.add("maintenance: sizes must not be negative")
	}
	if m.SmallFiles == 1 || m.DeleteFiles == 1 || m.Manifests == 1 {
		p.add("maintenance: one file cannot be merged; numbers of files are 2 or more, or negative for never")
	}
	if m.DeleteRatio > 1 {
		p.add("maintenance: the delete ratio is a share of the rows, at most 1")
	}
	if m.OrphanAge > 0 && m.OrphanAge < minOrphanAge {
		p.add("maintenance: files of loads that run are in no snapshot; the orphan age is at least %v", minOrphanAge)
	}
}

// MaintainOptions is what a [Maintainer] is asked to do.
type MaintainOptions struct {
	Maintenance
	// Fence is that of the lease under which it runs; 0 is without one.
	Fence int64
	// Sweep also looks for files that nothing refers to, by listing the table's
	// location.
	Sweep bool
	// DryRun changes nothing; the report tells what would be done.
	DryRun bool
}

// MaintainReport is what maintenance did, or in a dry run what it would do.
type MaintainReport struct {
	// Before and After are the table's shape.
	Before TableShape `json:"before"`
	After  TableShape `json:"after"`
	// Commits are the snapshots made.
	Commits []string `json:"commits,omitempty"`
	// RewrittenFiles data files of RewrittenBytes were replaced by WrittenFiles
	// of WrittenBytes; a dry run does not know the latter.
	RewrittenFiles int   `json:"rewritten_files"`
	RewrittenBytes int64 `json:"rewritten_bytes"`
	WrittenFiles   int   `json:"written_files"`
	WrittenBytes   int64 `json:"written_bytes"`
	// MergedDeletes and MergedManifests count the delete files and manifests
	// that were merged into fewer.
	MergedDeletes   int `json:"merged_deletes"`
	MergedManifests int `json:"merged_manifests"`
	// ExpiredSnapshots counts snapshots, FreedFiles the files that went with them.
	ExpiredSnapshots int `json:"expired_snapshots"`
	FreedFiles       int `json:"freed_files"`
	// Orphans counts the files removed, of OrphanBytes, that nothing referred
	// to, and SideFiles those of the sink's own.
	Orphans     int   `json:"orphans"`
	OrphanBytes int64 `json:"orphan_bytes"`
	SideFiles   int   `json:"side_files"`
	// More is set where the limit of one step left work for the next.
	More bool `json:"more,omitempty"`
	// Notes say what was left undone, and why.
	Notes []string `json:"notes,omitempty"`
}

// TableShape is what a table consists of.
type TableShape struct {
	Snapshots   int   `json:"snapshots"`
	Manifests   int   `json:"manifests"`
	DataFiles   int   `json:"data_files"`
	DeleteFiles int   `json:"delete_files"`
	Bytes       int64 `json:"bytes"`
}

// add appends the report of a later step.
func (r *MaintainReport) add(step MaintainReport) {
	if r.Before == (TableShape{}) {
		r.Before = step.Before
	}
	if step.After != (TableShape{}) {
		r.After = step.After
	}
	r.Commits = append(r.Commits, step.Commits...)
	r.Notes = append(r.Notes, step.Notes...)
	r.RewrittenFiles += step.RewrittenFiles
	r.RewrittenBytes += step.RewrittenBytes
	r.WrittenFiles += step.WrittenFiles
	r.WrittenBytes += step.WrittenBytes
	r.MergedDeletes += step.MergedDeletes
	r.MergedManifests += step.MergedManifests
	r.ExpiredSnapshots += step.ExpiredSnapshots
	r.FreedFiles += step.FreedFiles
	r.Orphans += step.Orphans
	r.OrphanBytes += step.OrphanBytes
	r.SideFiles += step.SideFiles
	r.More = step.More
}

// Maintain keeps a table in shape, as its Maintenance says: it rewrites small
// and much-deleted data files, merges delete files and manifests, lets old
// snapshots expire and removes files that nothing refers to. It holds the
// table's lease, which it gives back between steps, so that no load of this
// product runs meanwhile; it returns an error that wraps ErrLocked where
// another holder has it, or a job works on the table. The table may be paused.
func (r *Runner) Maintain(ctx context.Context, table string) (MaintainReport, error) {
	return r.maintain(ctx, table, MaintainOptions{Sweep: true})
}

// PlanMaintenance tells what Maintain would do now. It changes nothing.
func (r *Runner) PlanMaintenance(ctx context.Context, table string) (MaintainReport, error) {
	return r.maintain(ctx, table, MaintainOptions{Sweep: true, DryRun: true})
}

func (r *Runner) maintain(ctx context.Context, table string, opts MaintainOptions) (MaintainReport, error) {
	var rep MaintainReport
	t, err := r.table(table)
	if err != nil {
		return rep, err
	}
	maintainer, ok := r.cfg.Sink.(Maintainer)
	if !ok {
		return rep, WithOutcome(Terminal, fmt.Errorf("the sink of table %s has no maintenance", printable(table)))
	}
	opts.Maintenance = t.Maintenance.WithDefaults()
	for {
		var step MaintainReport
		work := func(ctx context.Context, fence int64) (err error) {
			opts.Fence = fence
			step, err = r.maintainStep(ctx, t, maintainer, opts)
			return err
		}
		if opts.DryRun {
			err = work(ctx, 0)
		} else {
			err = r.withLease(ctx, table, work, nil)
		}
		rep.add(step)
		if err != nil {
			return rep, fmt.Errorf("maintain table %s: %w", printable(table), err)
		}
		if opts.DryRun || !step.More || len(step.Commits) == 0 {
			return rep, nil
		}
	}
}

// maintainStep takes one step, of the table as it has evolved by then: loads may run
// between two steps. Without a fence it is a dry run.
func (r *Runner) maintainStep(ctx context.Context, t *Table, maintainer Maintainer, opts MaintainOptions) (MaintainReport, error) {
	if opts.Fence > 0 {
		if err := r.free(ctx, t.Name); err != nil {
			return MaintainReport{}, err
		}
		if err := r.tidyStaging(ctx, t, opts.Fence); err != nil {
			return MaintainReport{}, err
		}
		r.purgeDue(ctx, t, opts.Fence)
	}
	t, err := r.evolvedTable(ctx, t)
	if err != nil {
		return MaintainReport{}, err
	}
	target, err := t.Target()
	if err != nil {
		return MaintainReport{}, err
	}
	step, err := maintainer.Maintain(ctx, target, opts)
	if err != nil && ctx.Err() != nil {
		err = errors.Join(context.Cause(ctx), err)
	}
	return step, err
}

// free returns an error where a job works on the table: a commit of maintenance
// carries its lease's fence, under which that of the job would be refused.
func (r *Runner) free(ctx context.Context, table string) error {
	st, err := r.cfg.Control.State(ctx, table)
	if err == nil && st.Running != nil && st.Job != nil && !st.Job.Phase.Ended() {
		err = fmt.Errorf("%w: job %s works on it", ErrLocked, st.Job.ID)
	}
	return err
}

// upkeep is the maintenance after loads. It never makes a drain fail: what it
// could not do it does after one of the next loads.
func (r *Runner) upkeep(ctx context.Context, table string, rep *TableReport) {
	t, err := r.table(table)
	_, able := r.cfg.Sink.(Maintainer)
	if err != nil || !able || !t.Maintenance.Auto || len(rep.Loads) == 0 || ctx.Err() != nil {
		return
	}
	done, err := r.maintain(ctx, table, MaintainOptions{})
	rep.Maintained = &done
	if err != nil && !errors.Is(err, ErrLocked) {
		r.cfg.Logger.Warn("maintenance not finished", "table", table, "outcome", OutcomeOf(err).String(), "error", err)
	}
}
