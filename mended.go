package etl

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A mended row is a file of its own. Its location lies below a prefix that no source
// is asked for: its content is in the quarantine.

// MendedPrefix begins the locations of mended rows. Files of a [Source] must not lie
// there.
const MendedPrefix = ".tidemark/mended/"

// mendedLocation sorts as the place where the row stood, among mended rows of the same
// order.
func mendedLocation(table, id string, at BadPlace) string {
	order := at.Order[:min(len(at.Order), 200)]
	return fmt.Sprintf("%s%s/%x/%020d-%s", MendedPrefix, table, order, at.Row, id)
}

// mendedRow returns table and ID of the bad row that a location is the mended version of.
func mendedRow(location string) (table, id string, ok bool) {
	rest, ok := strings.CutPrefix(location, MendedPrefix)
	if !ok {
		return "", "", false
	}
	table, rest, ok = strings.Cut(rest, "/")
	return table, rest[strings.LastIndexByte(rest, '-')+1:], ok
}

// formatOf returns the format of a file of the load.
func (c *Changes) formatOf(file int) Format {
	row, ok := c.mends(file)
	if !ok {
		return c.shaped(file, c.format)
	}
	f := c.format
	if raw, ok := f.(RawFormat); ok {
		f = raw.Mended()
	}
	if f = c.shaped(file, f); row.place().Kind != Full {
		return f
	}
	return fullRow{f, c.table}
}

// mends returns the bad row that a file is the mended version of.
func (c *Changes) mends(file int) (BadRow, bool) {
	if c.bad == nil || len(c.bad.aside.mended) == 0 {
		return BadRow{}, false
	}
	row, ok := c.bad.aside.mended[c.load.Files[file].ID()]
	return row, ok
}

// mendsFull reports whether a file is the mended version of a row of a full load.
func (c *Changes) mendsFull(file int) bool {
	row, ok := c.mends(file)
	return ok && row.place().Kind == Full
}

// mendsFull reports whether the row that a key gets is a mended one of the full load.
func (r *Resolution) mendsFull(k int32) bool {
	s, ok := r.settlement.(*replay)
	return ok && s.state[k] >= 0 && s.full.has(s.state[k])
}

// fullRow reads a mended row of a full load as a change: as an upsert, unless it says
// otherwise, without an old key.
type fullRow struct {
	format Format
	table  Table
}

var _ Format = fullRow{}

// Partial implements [Format].
func (f fullRow) Partial(LoadKind) bool { return f.format.Partial(Full) }

// Scan implements [Format].
func (f fullRow) Scan(ctx context.Context, in Input, req ScanRequest) iter.Seq2[Rows, error] {
	req.Kind, req.Columns = Full, slices.Clone(req.Columns)
	for i := range req.Columns {
		if req.Columns[i].Name == f.table.Op.Column {
			req.Columns[i].Optional = true
		}
	}
	return func(yield func(Rows, error) bool) {
		for rows, err := range f.format.Scan(ctx, in, req) {
			if err == nil && rows.Record != nil {
				rows.Record = f.change(rows.Record)
			}
			if !yield(rows, err) {
				return
			}
		}
	}
}

// change makes the rows of a full load those of a change file.
func (f fullRow) change(rec arrow.RecordBatch) arrow.RecordBatch {
	cols := slices.Clone(rec.Columns())
	for i, field := range rec.Schema().Fields() {
		switch ops, isText := cols[i].(*array.String); {
		case field.Name == f.table.Op.Column && isText:
			cols[i] = f.upserts(ops)
		case slices.Contains(f.table.OldKey, field.Name) && f.table.Columns.Index(field.Name) < 0:
			cols[i] = array.MakeArrayOfNull(memory.DefaultAllocator, field.Type, cols[i].Len())
		}
	}
	return array.NewRecordBatch(rec.Schema(), cols, rec.NumRows())
}

func (f fullRow) upserts(ops *array.String) arrow.Array {
	code := ""
	for _, c := range slices.Sorted(maps.Keys(f.table.Op.Codes)) {
		if f.table.Op.Codes[c] == Upsert {
			code = c
		}
	}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	for i := range ops.Len() {
		if ops.IsNull(i) {
			b.Append(code)
		} else {
			b.Append(ops.Value(i))
		}
	}
	return b.NewArray()
}
