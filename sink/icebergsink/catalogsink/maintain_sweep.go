package catalogsink

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go/table"
)

// sweep removes files in the table's location that no retained snapshot and no
// metadata refers to, if they are old enough: those of loads that run are young.
func (u *upkeep) sweep(ctx context.Context) error {
	if !u.opts.Sweep || u.opts.OrphanAge < 0 || u.rep.More && !u.opts.DryRun ||
		!u.tbl.Properties().GetBool(table.GCEnabledKey, true) {
		return nil
	}
	orphans, err := u.orphans(ctx)
	if err != nil {
		return err
	}
	if u.opts.DryRun {
		u.count(orphans)
		return nil
	}
	if len(orphans) > 0 {
		if orphans, err = u.fenced(ctx); err != nil {
			return err
		}
		paths := make([]string, len(orphans))
		for i, o := range orphans {
			paths[i] = o.Path
		}
		if err := u.remove(ctx, paths); err != nil {
			return fmt.Errorf("table %s: orphans: %w", u.target.Name, err)
		}
		u.count(orphans)
	}
	u.rep.SideFiles, err = u.sink.CleanSideFiles(ctx, u.target.Name)
	return err
}

func (u *upkeep) count(orphans []table.OrphanFile) {
	u.rep.Orphans = len(orphans)
	for _, o := range orphans {
		u.rep.OrphanBytes += o.SizeBytes
	}
}

// fenced records the fence in the table and then looks for orphans once more. A
// process that lost its lease long ago may still hold files that look like
// orphans; from here on it cannot commit them.
func (u *upkeep) fenced(ctx context.Context) ([]table.OrphanFile, error) {
	if u.opts.Fence > 0 {
		if err := u.sink.Fence(ctx, u.target, u.opts.Fence); err != nil {
			return nil, err
		}
	}
	tbl, err := u.sink.load(ctx, u.target.Name)
	if err != nil {
		return nil, err
	}
	if err := u.relook(ctx, tbl); err != nil {
		return nil, err
	}
	return u.orphans(ctx)
}

func (u *upkeep) orphans(ctx context.Context) ([]table.OrphanFile, error) {
	plan, err := u.tbl.PlanOrphanFiles(ctx, table.WithFilesOlderThan(u.opts.OrphanAge))
	if err != nil {
		return nil, fmt.Errorf("table %s: orphans: %w", u.target.Name, err)
	}
	side := u.sink.sideFolder(u.tbl.Location(), u.target.Name)
	side = bare(side[:strings.LastIndexByte(side, '/')+1])
	var out []table.OrphanFile
	for _, o := range plan.OrphanFiles() {
		if !strings.HasPrefix(bare(o.Path), side) {
			out = append(out, o)
		}
	}
	return out, nil
}

// bare is a location without its scheme.
func bare(location string) string {
	if _, after, ok := strings.Cut(location, "://"); ok {
		return after
	}
	return location
}
