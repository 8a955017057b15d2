package catalogsink

import (
	"context"
	"fmt"
	"maps"
	mathbits "math/bits"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// deadDeletes returns the delete files that delete nothing any more once the
// data files at gone are.
func (l *listing) deadDeletes(ctx context.Context, gone map[string]bool) ([]iceberg.DataFile, error) {
	dead, err := l.idle(ctx, gone)
	if err != nil {
		return nil, err
	}
	for path := range gone {
		dead = append(append(dead, l.byPath[path].deletes...), l.byPath[path].merged...)
	}
	out := make([]iceberg.DataFile, len(dead))
	for i, d := range dead {
		out[i] = d.DataFile
	}
	return out, nil
}

// deleteMerge are delete files that become one.
type deleteMerge struct {
	old []deleteFile
	// into is what they become; nil where they speak of no live row any more.
	into iceberg.DataFile
	seq  int64
}

// mergeDeletes merges delete files where there are too many: those of one data
// file, and those of a partition that speak of several. Each is one more file
// that readers open. A merged file keeps the greatest data sequence number of
// those that it replaces.
func (u *upkeep) mergeDeletes(ctx context.Context) error {
	merges := u.planDeletes()
	if len(merges) == 0 {
		return nil
	}
	replaced := 0
	for _, m := range merges {
		replaced += len(m.old)
	}
	if !u.opts.DryRun {
		for _, m := range merges {
			if err := u.mergeDelete(ctx, m); err != nil {
				u.work.discard()
				return fmt.Errorf("table %s: %s: %w", u.target.Name, stepDeletes, err)
			}
		}
		err := u.commit(ctx, stepDeletes, func(tx *table.Transaction, marks iceberg.Properties) error {
			r := tx.NewRewrite(marks)
			for _, m := range merges {
				for _, d := range m.old {
					r.DeleteFile(d.DataFile)
				}
				if m.into != nil {
					r.AddDeleteFileWithDataSequenceNumber(m.into, m.seq)
				}
			}
			return r.Commit(ctx)
		})
		if err != nil {
			return err
		}
	}
	u.rep.MergedDeletes += replaced
	return nil
}

func (u *upkeep) planDeletes() (merges []*deleteMerge) {
	least := u.opts.DeleteFiles
	if least < 0 || u.tbl.Metadata().Version() > 2 {
		return nil
	}
	for _, f := range u.work.list.data {
		if len(f.deletes) >= least && !slices.Contains(u.settled, f) {
			merges = append(merges, &deleteMerge{old: f.deletes})
		}
	}
	places := map[string][]deleteFile{}
	for _, d := range u.work.list.shared {
		places[placeOf(d)] = append(places[placeOf(d)], d)
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		if len(places[place]) >= least {
			merges = append(merges, &deleteMerge{old: places[place]})
		}
	}
	return merges
}

// mergeDelete writes the positions in live data files that m's files name.
func (u *upkeep) mergeDelete(ctx context.Context, m *deleteMerge) error {
	dead := map[*dataFile]bits{}
	for _, d := range m.old {
		m.seq = max(m.seq, d.seq)
		err := u.work.list.readDeletes(ctx, d, func(path string, pos int64) error {
			f := u.work.list.byPath[path]
			if f == nil || f.seq > d.seq {
				return nil
			}
			if dead[f] == nil {
				dead[f] = newBits(f.Count())
			}
			return mark64(dead[f], pos, f.Count(), d)
		})
		if err != nil {
			return err
		}
	}
	if len(dead) == 0 {
		return nil
	}
	removed := map[*dataFile][]int64{}
	for f, b := range dead {
		if placeOf(f) != placeOf(m.old[0]) {
			return terminal(fmt.Errorf("delete file %s names data file %s of another partition", m.old[0].FilePath(), f.FilePath()))
		}
		removed[f] = b.positions()
	}
	files := slices.SortedFunc(maps.Keys(removed), func(a, b *dataFile) int { return strings.Compare(a.FilePath(), b.FilePath()) })
	places, err := u.tbl.LocationProvider()
	if err != nil {
		return err
	}
	path := places.NewDataLocation(uuid.NewString() + deleteSuffix)
	u.work.staged = append(u.work.staged, path)
	m.into, err = u.work.writeGroup(ctx, path, files, removed)
	return err
}

// positions lists the positions in the set, rising.
func (b bits) positions() []int64 {
	out := make([]int64, 0, b.count())
	for i, w := range b {
		for ; w != 0; w &= w - 1 {
			out = append(out, int64(i)<<6+int64(mathbits.TrailingZeros64(w)))
		}
	}
	return out
}
