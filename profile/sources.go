package profile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
)

// Table is a table in a sink.
type Table struct {
	Tables etl.Scanner
	Name   string
}

var _ Source = Table{}

// Rows implements [Source].
func (t Table) Rows(ctx context.Context, columns etl.Columns) iter.Seq2[arrow.RecordBatch, error] {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.Name
	}
	return t.Tables.Scan(ctx, t.Name, names...)
}

// File is a file with the rows of a table, as an export of what the table should hold.
// Its rows are read as the table's format reads those of a full load, one by one
// whatever their keys, and taken through the table's transforms.
type File struct {
	// Table declares columns, format and transforms.
	Table etl.Table
	// Location names the file in errors.
	Location string
	// Open opens it; [Local] opens files of this machine.
	Open func(ctx context.Context) (etl.Input, error)
}

var _ Source = File{}

// Rows implements [Source].
func (f File) Rows(ctx context.Context, _ etl.Columns) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		format := f.Table.Format
		if format == nil {
			yield(nil, errors.New("no format to read the file by"))
			return
		}
		if own, ok := format.(etl.TableFormat); ok {
			format = own.ForTable(f.Table)
		}
		in, err := f.Open(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		defer func() { _ = in.Close() }()
		req := etl.ScanRequest{Location: f.Location, Kind: etl.Full}
		for _, c := range f.Table.Columns {
			req.Columns = append(req.Columns, etl.ScanColumn{Column: c})
		}
		for rows, err := range format.Scan(ctx, in, req) {
			if err != nil {
				yield(nil, err)
				return
			}
			out, err := f.transform(ctx, rows)
			if err != nil {
				yield(nil, err)
				return
			}
			more := yield(out, nil)
			out.Release()
			if !more {
				return
			}
		}
	}
}

// transform runs the table's chain.
func (f File) transform(ctx context.Context, rows etl.Rows) (arrow.RecordBatch, error) {
	rec, dropped := rows.Record, false
	rec.Retain()
	for _, t := range f.Table.Transforms {
		out, err := t.Transform(ctx, rec)
		n := rec.NumRows()
		rec.Release()
		if err != nil {
			return nil, f.placed(err, rows.Numbers, dropped)
		}
		dropped = dropped || out.NumRows() != n
		rec = out
	}
	return rec, nil
}

// placed names file and row in the error of a transform; the row only where none
// before it was dropped.
func (f File) placed(err error, numbers []int64, dropped bool) error {
	var re *etl.RowError
	if !errors.As(err, &re) || re.File != "" {
		return err
	}
	at := *re
	at.File, at.Row = f.Location, 0
	if i := re.Row - 1; !dropped && i >= 0 && i < int64(len(numbers)) {
		at.Row = numbers[i]
	}
	return &at
}

// Local opens a file of this machine.
func Local(path string) func(ctx context.Context) (etl.Input, error) {
	return func(context.Context) (etl.Input, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
		}
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return &local{f, info}, nil
	}
}

// local is an [etl.Input].
type local struct {
	*os.File
	info fs.FileInfo
}

var _ etl.Input = (*local)(nil)

// Size implements [etl.Input].
func (l *local) Size() int64 { return l.info.Size() }

// ReadAt implements [etl.Input].
func (l *local) ReadAt(p []byte, at int64) (int, error) {
	n, err := l.File.ReadAt(p, at)
	if now, serr := l.Stat(); serr != nil || now.Size() != l.info.Size() || !now.ModTime().Equal(l.info.ModTime()) {
		return 0, fmt.Errorf("%s: %w", l.Name(), etl.ErrFileChanged)
	}
	return n, err
}
