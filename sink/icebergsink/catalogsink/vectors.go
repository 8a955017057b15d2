package catalogsink

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/google/uuid"
)

// withVectors leaves each data file that has a deletion vector with that alone:
// it holds what older delete files say too (Iceberg spec, "Deletion Vectors").
func (l *listing) withVectors() error {
	for _, f := range l.data {
		var vectors []deleteFile
		for _, d := range f.deletes {
			if isVector(d) {
				vectors = append(vectors, d)
			}
		}
		switch len(vectors) {
		case 0:
			continue
		case 1:
		default:
			return terminal(fmt.Errorf("data file %s has %d deletion vectors; the format allows one", f.FilePath(), len(vectors)))
		}
		for _, d := range f.deletes {
			if !isVector(d) {
				f.merged = append(f.merged, d)
			}
		}
		f.vector, f.deletes = true, vectors
	}
	return nil
}

// readVector calls each for the positions of a deletion vector.
func (l *listing) readVector(d deleteFile, each func(path string, pos int64) error) error {
	bitmap, err := dv.ReadDV(l.fs, d.DataFile)
	if err != nil {
		return fmt.Errorf("deletion vector in %s: %w", d.FilePath(), err)
	}
	for pos := range bitmap.Positions() {
		if err := each(*d.ReferencedDataFile(), int64(pos)); err != nil {
			return err
		}
	}
	return nil
}

// writeVectors writes the deletion vectors of the data files that lose rows, all
// into one file. Each holds the positions that were deleted before, whatever
// said so: the old vector goes with the same commit.
func (w *work) writeVectors(ctx context.Context) error {
	if len(w.removed) == 0 {
		return nil
	}
	places, err := w.tbl.LocationProvider()
	if err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	meta := w.tbl.Metadata()
	out := dv.NewDVWriter(w.fs, func(id int32) *iceberg.PartitionSpec { return meta.PartitionSpecByID(int(id)) })
	for _, group := range groupDeletes(w.removed) {
		for _, f := range group {
			positions := w.removed[f]
			w.gone += int64(len(positions))
			dead, err := w.list.deadOf(ctx, f)
			if err != nil {
				return fmt.Errorf("table %s: %w", w.target.Name, err)
			}
			all := slices.Concat(positions, dead.positions())
			if err := out.Add(f.FilePath(), all, f.SpecID(), f.Partition()); err != nil {
				return fmt.Errorf("table %s: %w", w.target.Name, err)
			}
		}
	}
	path := places.NewDataLocation(uuid.NewString() + "-tidemark-deletes.puffin")
	w.staged = append(w.staged, path)
	if w.deletes, err = out.Flush(ctx, path); err != nil {
		return fmt.Errorf("table %s: write %s: %w", w.target.Name, path, err)
	}
	return nil
}

// commitSwapOwn is commitSwap for tables of format version 3, for which the
// library's operation asks for row ids that only a commit can give.
func (w *work) commitSwapOwn(ctx context.Context) (*table.Table, error) {
	r := w.newRevision()
	r.add(w.data...)
	for _, f := range w.list.data {
		r.gone[f.FilePath()] = true
	}
	for _, d := range w.list.deletes {
		if isVector(d) {
			r.voided[*d.ReferencedDataFile()] = true
		} else {
			r.gone[d.FilePath()] = true
		}
	}
	return r.commit(ctx)
}
