package sink

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
)

// become returns the version as it is with the columns of a target, and what a commit
// that makes it so has to record.
func (v *version) become(ctx context.Context, t etl.Target) (*version, *etl.SchemaRecord, error) {
	if v.number == 0 || t.Evolution == nil {
		return v, t.Evolution.Recorded(nil), v.sameSchema(t)
	}
	changes, err := t.Changes(v.target.Columns)
	if err != nil {
		return nil, nil, err
	}
	if len(changes) == 0 {
		return v, t.Evolution.Recorded(nil), nil
	}
	former := map[string]string{}
	for _, c := range changes {
		if c.Kind == etl.ColumnRenamed {
			former[c.Column] = c.Former
		}
	}
	out := *v
	out.target, out.rows = t, make(rowSet, len(v.rows))
	made := map[arrow.RecordBatch]arrow.RecordBatch{}
	for key, rows := range v.rows {
		for _, r := range rows {
			batch := made[r.batch]
			if batch == nil {
				if batch, err = recast(ctx, r.batch, t, former); err != nil {
					return nil, nil, fmt.Errorf("table %s: %w", t.Name, err)
				}
				made[r.batch] = batch
			}
			out.rows.add(key, row{batch, r.at, r.base})
		}
	}
	return &out, t.Evolution.Recorded(changes), nil
}

// recast gives a batch the columns of a target.
func recast(ctx context.Context, rec arrow.RecordBatch, t etl.Target, former map[string]string) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, t.Schema.NumFields())
	for i, f := range t.Schema.Fields() {
		name := f.Name
		if was, ok := former[name]; ok {
			name = was
		}
		at := rec.Schema().FieldIndices(name)
		if len(at) == 0 {
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, f.Type, int(rec.NumRows()))
			continue
		}
		cols[i] = rec.Column(at[0])
		if arrow.TypeEqual(cols[i].DataType(), f.Type) {
			continue
		}
		var err error
		if cols[i], err = compute.CastArray(ctx, cols[i], compute.SafeCastOptions(f.Type)); err != nil {
			return nil, fmt.Errorf("column %s cannot be widened: %w", f.Name, err)
		}
	}
	return array.NewRecordBatch(t.Schema, cols, rec.NumRows()), nil
}
