package catalogsink

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Rows of format version 3 have an id, and know when they were last changed
// (Iceberg spec, "Row Lineage"). Data files of new rows store neither: ids are
// counted from the file's first_row_id on, and the change is that of the file's
// data sequence number. A file whose rows come from another one stores both, as
// its last two columns.

// lineageColumns are those two as they are read.
var lineageColumns = [...]readColumn{
	{id: iceberg.RowIDFieldID, name: iceberg.RowIDColumnName, want: arrow.PrimitiveTypes.Int64},
	{id: iceberg.LastUpdatedSequenceNumberFieldID, name: iceberg.LastUpdatedSequenceNumberColumnName, want: arrow.PrimitiveTypes.Int64},
}

// hasRowIDs reports whether the rows of a data file have ids. Those from before
// an upgrade have none until the next commit gives them some.
func (f *dataFile) hasRowIDs() bool { return f.FirstRowID() != nil }

// withLineage is the plan of files that store the lineage of their rows. Their
// rows have it behind the columns of the target. The manifests tell nothing of
// the two columns, which are not in the table's schema.
func (p *filePlan) withLineage() (*filePlan, error) {
	own := *p
	own.from, own.props = slices.Clone(p.from), maps.Clone(p.props)
	for _, c := range lineageColumns {
		if _, taken := p.ice.FindFieldByName(c.name); taken {
			return nil, terminal(fmt.Errorf("column %s has a name that format version 3 reserves", c.name))
		}
		own.from = append(own.from, len(own.from))
		own.props[table.MetricsModeColumnConfPrefix+"."+c.name] = "none"
	}
	own.ice = iceberg.SchemaWithRowLineage(p.ice)
	var err error
	own.schema, err = table.SchemaToArrowSchema(own.ice, nil, true, false)
	return &own, err
}

// storedRows calls each with the rows of a data file, the deleted ones too, and
// the position of the first. Their columns are those of the target, with lineage
// also that of the rows. The batch is valid during the call.
func (w *work) storedRows(ctx context.Context, f *dataFile, in *parquetFile, lineage bool, each func(pos int64, rec arrow.RecordBatch) error) error {
	cols := make([]readColumn, len(w.target.Columns))
	for i, c := range w.target.Columns {
		var err error
		if cols[i], err = w.column(c.Name); err != nil {
			return err
		}
	}
	schema := w.schema
	if lineage {
		cols = append(cols, lineageColumns[:]...)
		fields := schema.Fields()
		for _, c := range lineageColumns {
			fields = append(fields, arrow.Field{Name: c.name, Type: c.want, Nullable: true})
		}
		schema = arrow.NewSchema(fields, nil)
	}
	for rg := range in.NumRowGroups() {
		err := in.read(ctx, rg, cols, func(pos int64, got []arrow.Array) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if lineage {
				resolved := f.resolveLineage(pos, got[len(got)-2:])
				defer releaseArrays(resolved)
				got = append(slices.Clone(got[:len(got)-2]), resolved...)
			}
			rec := array.NewRecordBatch(schema, got, int64(got[0].Len()))
			defer rec.Release()
			return each(pos, rec)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// resolveLineage fills in what the file does not store of rows from pos on. The
// caller releases the result.
func (f *dataFile) resolveLineage(pos int64, stored []arrow.Array) []arrow.Array {
	first := *f.FirstRowID() + pos
	return []arrow.Array{
		fillNulls(stored[0].(*array.Int64), func(i int) int64 { return first + int64(i) }),
		fillNulls(stored[1].(*array.Int64), func(int) int64 { return f.seq }),
	}
}

func fillNulls(a *array.Int64, by func(i int) int64) arrow.Array {
	if a.NullN() == 0 {
		a.Retain()
		return a
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		if a.IsNull(i) {
			b.UnsafeAppend(by(i))
		} else {
			b.UnsafeAppend(a.Value(i))
		}
	}
	return b.NewArray()
}

// lineageOf makes one of the two columns for the rows of a row group that stay,
// of a file that does not store it. Each array is valid until the next one.
func (f *dataFile) lineageOf(id int, s *groupFilter) iter.Seq[arrow.Array] {
	at := func(int64) int64 { return f.seq }
	if id == iceberg.RowIDFieldID {
		first := *f.FirstRowID() + s.first
		at = func(row int64) int64 { return first + row }
	}
	return func(yield func(arrow.Array) bool) {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		for from := int64(0); from < s.rows; from += readBatch {
			b.Reserve(readBatch)
			for row := from; row < min(from+readBatch, s.rows); row++ {
				if s.keep[row>>3]>>(row&7)&1 == 1 {
					b.UnsafeAppend(at(row))
				}
			}
			a := b.NewArray()
			more := yield(a)
			a.Release()
			if !more {
				return
			}
		}
	}
}

// without drops rows of a batch that starts at pos. The caller releases the
// result, which may be empty.
func without(ctx context.Context, rec arrow.RecordBatch, pos int64, dead bits) (arrow.RecordBatch, error) {
	keep := array.NewInt64Builder(memory.DefaultAllocator)
	defer keep.Release()
	keep.Reserve(int(rec.NumRows()))
	for i := range rec.NumRows() {
		if !dead.has(pos + i) {
			keep.UnsafeAppend(i)
		}
	}
	if int64(keep.Len()) == rec.NumRows() {
		rec.Retain()
		return rec, nil
	}
	rows := keep.NewInt64Array()
	defer rows.Release()
	return takeRows(ctx, rec, rows)
}
