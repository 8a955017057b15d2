package etl

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl/internal/rowkey"
)

// finish is called when all rows were given out, before the commit.
func (b *badRows) finish(ctx context.Context) error {
	if b == nil {
		return nil
	}
	overtaken := map[BadPlace]*watchedRow{}
	var earlier []BadRow
	for _, w := range b.watched {
		if w.at >= 0 {
			overtaken[BadPlace{ID: w.row.FileID, Row: w.row.Row}] = w
		} else if w.overtaken {
			earlier = append(earlier, w.row)
		}
	}
	rows := make([]BadRow, 0, b.n)
	for _, bad := range b.list() {
		row := b.row(bad)
		if w := overtaken[BadPlace{ID: row.FileID, Row: row.Row}]; w != nil {
			row.Key = w.row.Key
			if w.overtaken {
				row.OvertakenBy = []string{b.c.load.ID}
			}
		}
		if b.aside.file >= 0 && len(b.c.table.OrderBy) == 0 {
			row.Key = nil // other files of the load, which are staged by themselves, may have it
		}
		rows = append(rows, row)
	}
	if err := b.raw(ctx, rows); err != nil {
		return err
	}
	if err := b.aside.keep(ctx, rows, earlier); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	b.kept = rows
	return nil
}

// row describes a bad row.
func (b *badRows) row(bad placedRow) BadRow {
	rule := bad.err.Rule
	if bad.err.Err != nil {
		rule += ": " + bad.err.Err.Error()
	}
	return badRow(b.c.table, b.c.load, b.aside.mended, bad.file, bad.row, bad.err.Column, rule)
}

// badRow describes a bad row of a load, whose files of some IDs are mended rows.
func badRow(t Table, load Load, mended map[string]BadRow, file int, number int64, column, rule string) BadRow {
	f := load.Files[file]
	row := BadRow{
		ID: badRowID(f, number), Table: t.Name, LoadID: load.ID, Epoch: load.Epoch, File: f.Location, FileID: f.ID(),
		Kind: load.Kind, Landed: f.ModTime, Row: number, Column: column, Rule: rule, Status: BadOpen,
	}
	if m, ok := mended[row.FileID]; ok {
		place := m.place()
		row.Origin = &place
	}
	return row
}

func badRowID(f File, row int64) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s:%d", f.ID(), row)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// raw fetches the bytes of rows, which are in position order.
func (b *badRows) raw(ctx context.Context, rows []BadRow) error {
	at := map[string]map[int64]int{}
	for i, r := range rows {
		if at[r.FileID] == nil {
			at[r.FileID] = map[int64]int{}
		}
		at[r.FileID][r.Row] = i
	}
	for file, f := range b.c.load.Files {
		format, ok := b.c.formatOf(file).(RawFormat)
		wanted := at[f.ID()]
		if !ok || len(wanted) == 0 {
			continue
		}
		if err := b.rawOf(ctx, format, file, wanted, rows); err != nil {
			return inFile(f.Location, err)
		}
	}
	return nil
}

func (b *badRows) rawOf(ctx context.Context, format RawFormat, file int, wanted map[int64]int, rows []BadRow) error {
	f := b.c.load.Files[file]
	in, err := b.c.source.Open(ctx, f)
	if err != nil {
		return err
	}
	req := ScanRequest{Location: f.Location, Kind: b.c.load.Kind, Select: func(row int64) bool { _, ok := wanted[row]; return ok }}
	if op := b.c.table.Op.Column; op != "" && b.c.table.Columns.Index(op) < 0 {
		req.Columns = append(req.Columns, ScanColumn{Column: Column{Name: op, Type: String}, Optional: true})
	}
	for _, col := range b.c.table.Columns {
		req.Columns = append(req.Columns, ScanColumn{Column: col, Optional: true})
	}
	for i, name := range b.c.table.OldKey {
		col := b.c.table.Columns[b.c.table.Columns.Index(b.c.table.Key[i])]
		col.Name = name
		req.Columns = append(req.Columns, ScanColumn{Column: col, Optional: true})
	}
	for r, err := range format.Raw(ctx, in, req) {
		if err != nil {
			return errors.Join(err, in.Close())
		}
		if i, ok := wanted[r.Number]; ok {
			rows[i].Raw, rows[i].Head = r.Data, r.Head
		}
	}
	return in.Close()
}

// keyOf returns the key that the table would hold for a row; nil where it cannot be
// told.
func (c *Changes) keyOf(ctx context.Context, cols []arrow.Array) (key []byte) {
	defer func() {
		if recover() != nil { // a transform, which the load itself does not meet
			key = nil
		}
	}()
	for _, col := range cols {
		if col.IsNull(0) {
			return nil
		}
	}
	cols, err := c.keys.apply(ctx, 0, cols)
	if err != nil {
		return nil
	}
	var b rowkey.Batch
	if err := c.key.Encode(&b, cols); err != nil || b.Null(0) {
		return nil
	}
	return b.Append([]byte{}, 0)
}
