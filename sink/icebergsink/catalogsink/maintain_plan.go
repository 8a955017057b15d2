package catalogsink

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/tidemark-data/etl"
)

// rewrite is a set of data files of one partition that become fewer.
type rewrite struct {
	files []*dataFile
	bytes int64
	rows  int64 // that are not deleted
}

// planRewrites says which data files of the full load (base) or of changes are
// worth rewriting. What exceeds budget is left, which more tells.
func (u *upkeep) planRewrites(ctx context.Context, base bool, budget int64) (sets []rewrite, more bool, err error) {
	groups := map[string][]*dataFile{}
	for _, f := range u.work.list.data {
		if f.seq <= u.work.past.base == base {
			groups[placeOf(f)] = append(groups[placeOf(f)], f)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		set, cut, err := u.planRewrite(ctx, groups[key], budget)
		if err != nil {
			return nil, false, err
		}
		more = more || cut
		if len(set.files) > 0 {
			sets = append(sets, set)
			budget -= set.bytes
		}
	}
	return sets, more, nil
}

func (u *upkeep) planRewrite(ctx context.Context, files []*dataFile, budget int64) (set rewrite, cut bool, err error) {
	all := make([]candidate, len(files))
	for i, f := range files {
		all[i] = candidate{size: f.FileSizeBytes(), rows: f.Count()}
		if all[i].dead, err = u.work.list.deadRows(ctx, f); err != nil {
			return set, false, err
		}
	}
	picked := pick(all, u.opts.Maintenance)
	for _, i := range picked {
		// What fits no budget at all is rewritten by itself.
		if set.bytes+all[i].size > budget && (len(set.files) > 0 || budget < u.opts.RewriteBytes) {
			cut = true
			break
		}
		set.files = append(set.files, files[i])
		set.bytes += all[i].size
		set.rows += all[i].rows - all[i].dead
	}
	if len(set.files) == 1 && set.rows == all[picked[0]].rows {
		return rewrite{}, cut, nil // nothing would become of it but itself
	}
	// In the order in which they were written: keys that came together stay so.
	slices.SortStableFunc(set.files, func(a, b *dataFile) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.FilePath(), b.FilePath()))
	})
	return set, cut, nil
}

// deadRows counts the deleted rows of a data file, from the manifests where the
// delete files can be trusted to name each position once.
func (l *listing) deadRows(ctx context.Context, f *dataFile) (int64, error) {
	if len(l.shared) == 0 && trusted(f.deletes) {
		n := int64(0)
		for _, d := range f.deletes {
			n += d.Count()
		}
		return n, nil
	}
	dead, err := l.deadOf(ctx, f)
	return dead.count(), err
}

// candidate is a data file as pick sees it.
type candidate struct{ size, rows, dead int64 }

// openCost is the size below which files count as equally small: reading one
// costs as much as opening it.
const openCost = 4 << 20

// pick chooses the files of a partition to rewrite: those of which too much is
// deleted, and runs of small files of like size. A file joins a run if it is not
// larger than those before it together, so a row is rewritten about as often
// as the table doubles, and a large file not for the sake of a few small ones.
func pick(all []candidate, m etl.Maintenance) []int {
	var chosen, small []int
	isChosen := make([]bool, len(all))
	for i, c := range all {
		if m.DeleteRatio > 0 && c.dead > 0 && float64(c.dead) >= m.DeleteRatio*float64(c.rows) {
			chosen, isChosen[i] = append(chosen, i), true
		}
		if c.size < m.TargetFileSize/4*3 {
			small = append(small, i)
		}
	}
	slices.SortStableFunc(small, func(a, b int) int { return cmp.Compare(all[a].size, all[b].size) })
	run, total := 0, int64(0)
	for run < len(small) && all[small[run]].size <= max(total, min(openCost, m.TargetFileSize/8)) {
		total += all[small[run]].size
		run++
	}
	if m.SmallFiles > 0 && run > 1 && run >= m.SmallFiles {
		for _, i := range small[:run] {
			if !isChosen[i] {
				chosen = append(chosen, i)
			}
		}
	}
	return chosen
}
