package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/transform"
)

// location is where the source shows the tickets, as a full load of sales.
const location = "sport/sales/LOAD00000001.csv"

// follower is a source over the other tables: a file of all tickets, whose identity
// says in which state all of the tables are.
type follower struct {
	w       *world
	tag     string // of the content
	content []byte
}

var _ etl.Source = (*follower)(nil)

// List implements [etl.Source].
func (f *follower) List(ctx context.Context) iter.Seq2[etl.File, error] {
	return func(yield func(etl.File, error) bool) {
		file, err := f.file(ctx)
		if file.ETag != "" || err != nil {
			yield(file, err)
		}
	}
}

// Open implements [etl.Source].
func (f *follower) Open(ctx context.Context, of etl.File) (etl.Input, error) {
	now, err := f.file(ctx)
	if err != nil {
		return nil, err
	}
	if now.ETag != of.ETag {
		return nil, &etl.FileError{File: of.Location, Err: etl.ErrFileChanged}
	}
	return input{bytes.NewReader(f.content)}, nil
}

type input struct{ *bytes.Reader }

func (input) Close() error { return nil }

// file is the file as it would be now; there is none before the first ticket.
func (f *follower) file(ctx context.Context) (etl.File, error) {
	state, landed := sha256.New(), time.Time{}
	for _, t := range f.w.tables {
		last, at, err := f.w.lastLoad(ctx, t)
		if err != nil || last == "" && t.Name == tickets {
			return etl.File{}, err
		}
		fmt.Fprintf(state, "%s=%s\n", t.Name, last)
		if at.After(landed) {
			landed = at
		}
	}
	if tag := hex.EncodeToString(state.Sum(nil)); tag != f.tag {
		content, err := f.render(ctx)
		if err != nil {
			return etl.File{}, err
		}
		f.tag, f.content = tag, content
	}
	return etl.File{Location: location, ETag: f.tag, Size: int64(len(f.content)), ModTime: landed}, nil
}

// render writes the tickets as CSV.
func (f *follower) render(ctx context.Context) ([]byte, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	err := texts(ctx, f.w.lake, tickets, "", w.Write)
	w.Flush()
	return b.Bytes(), err
}

// lastLoad is the newest load of a table, and when its newest file landed.
func (w *world) lastLoad(ctx context.Context, t etl.Table) (string, time.Time, error) {
	target, err := t.Target()
	if err != nil {
		return "", time.Time{}, err
	}
	s, err := w.lake.Standing(ctx, target)
	if err != nil || len(s.Loads) == 0 {
		return "", time.Time{}, err
	}
	return s.Loads[len(s.Loads)-1].ID, s.Landed, nil
}

// texts calls row with the names of a table's columns, then with the canonical texts of
// each of its rows; null stands for nulls.
func texts(ctx context.Context, lake *icebergsink.Sink, table, null string, row func([]string) error) error {
	first := true
	for rec, err := range lake.Scan(ctx, table) {
		if err != nil {
			return err
		}
		to, cells := map[string]transform.CastTo{}, make([]string, rec.NumCols())
		for i, f := range rec.Schema().Fields() {
			to[f.Name], cells[i] = transform.CastTo{Type: etl.String}, f.Name
		}
		if first {
			if err := row(cells); err != nil {
				return err
			}
			first = false
		}
		if rec, err = transform.Cast(to).Transform(ctx, rec); err != nil {
			return err
		}
		for i := range int(rec.NumRows()) {
			for c := range cells {
				if cells[c] = null; rec.Column(c).IsValid(i) {
					cells[c] = rec.Column(c).(*array.String).Value(i)
				}
			}
			if err := row(cells); err != nil {
				return err
			}
		}
	}
	return nil
}

// dimension is a table as the source of a lookup.
func (w *world) dimension(name string, columns ...string) transform.LookupSource {
	d := transform.LookupTable{Tables: w.lake, Name: name}
	for _, t := range w.tables {
		for _, c := range columns {
			if t.Name == name {
				d.Cols = append(d.Cols, t.Columns[t.Columns.Index(c)]) // the transforms keep their types here
			}
		}
	}
	return d
}
