package etl

import (
	"bytes"
	"context"
	"fmt"
)

// oneFile is a source of one file in memory.
type oneFile struct {
	Source
	content []byte
}

// Open implements [Source].
func (o oneFile) Open(context.Context, File) (Input, error) {
	return textInput{bytes.NewReader(o.content)}, nil
}

// checkMended makes sure that content is one record that can be read, as the load that
// takes it will: with the columns that the table has by then, and by its contract.
func (r *Runner) checkMended(ctx context.Context, t *Table, raw RawFormat, f File, kind LoadKind, content []byte) error {
	t, err := r.evolvedTable(ctx, t)
	if err != nil {
		return err
	}
	load := Load{Kind: Incremental, Files: []File{f}}
	c := &Changes{table: *t, load: load, format: raw}
	ev, err := r.evolution(ctx, t, load, oneFile{r.cfg.Source, content}, nil)
	if err != nil {
		return err
	}
	if ev != nil {
		c.table, c.shapes = ev.table, ev.shapes
	}
	c.bad = &badRows{c: c, aside: &aside{mended: map[string]BadRow{f.ID(): {Kind: kind}}}}
	n := 0
	for rows, err := range c.formatOf(0).Scan(ctx, textInput{bytes.NewReader(content)}, c.table.wholeRow(f)) {
		if err != nil {
			return err
		}
		n += len(rows.Numbers)
	}
	if n != 1 {
		return &RowError{File: f.Location, Rule: fmt.Sprintf("%d records instead of one", n)}
	}
	return nil
}

// wholeRow asks for all columns of a change file.
func (t Table) wholeRow(f File) ScanRequest {
	req := ScanRequest{Location: f.Location, Kind: Incremental}
	if t.Op.Column != "" {
		req.Columns = append(req.Columns, ScanColumn{Column: Column{Name: t.Op.Column, Type: String}})
	}
	for _, col := range t.Columns {
		if col.Name != t.Op.Column {
			req.Columns = append(req.Columns, ScanColumn{Column: col})
		}
	}
	return req
}
