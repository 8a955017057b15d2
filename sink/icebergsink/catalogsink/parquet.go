package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
)

// readBatch is how many rows are decoded at a time.
const readBatch = 16384

// parquetFile is an open Parquet file. Row groups can be read concurrently.
type parquetFile struct {
	*file.Reader
	in    iceio.File
	path  string
	first []int64 // position of each row group's first row

	once  sync.Once
	types map[string]arrow.DataType // by column, as Arrow would read them
}

// readColumn is a column wanted: by field id, or by name where the file has no
// field ids, in the type wanted.
type readColumn struct {
	id     int
	name   string
	former []string // names in files without field ids
	want   arrow.DataType
}

func openFile(fs iceio.IO, df iceberg.DataFile) (*parquetFile, error) {
	if df.FileFormat() != iceberg.ParquetFile {
		return nil, terminal(fmt.Errorf("file %s is of format %s; only Parquet is supported", df.FilePath(), df.FileFormat()))
	}
	return openParquet(fs, df.FilePath())
}

func openParquet(fs iceio.IO, path string) (*parquetFile, error) {
	in, err := fs.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	rdr, err := file.NewParquetReader(in)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), in.Close())
	}
	p := &parquetFile{Reader: rdr, in: in, path: path, first: make([]int64, rdr.NumRowGroups()+1)}
	for i := range rdr.NumRowGroups() {
		p.first[i+1] = p.first[i] + rdr.MetaData().RowGroups[i].NumRows
	}
	return p, nil
}

func (p *parquetFile) close() { _ = p.in.Close() } // only read from

// column finds the leaf of a top-level column, or -1.
func (p *parquetFile) column(c readColumn) int {
	schema := p.MetaData().Schema
	numbered := false
	for i := range schema.NumColumns() {
		node := schema.Column(i).SchemaNode()
		if len(schema.Column(i).ColumnPath()) != 1 {
			continue
		}
		if node.FieldID() == int32(c.id) {
			return i
		}
		numbered = numbered || node.FieldID() >= 0
	}
	if numbered {
		return -1
	}
	for _, name := range c.former {
		if at := schema.ColumnIndexByName(name); at >= 0 {
			return at
		}
	}
	return schema.ColumnIndexByName(c.name)
}

// read decodes columns of a row group and calls each with the position of a
// batch's first row. Columns that the file does not have are null. The arrays
// are valid during the call.
func (p *parquetFile) read(ctx context.Context, rowGroup int, cols []readColumn, each func(pos int64, got []arrow.Array) error) error {
	fr, err := pqarrow.NewFileReader(p.Reader, pqarrow.ArrowReadProperties{BatchSize: readBatch}, memory.DefaultAllocator)
	if err != nil {
		return fmt.Errorf("read %s: %w", p.path, err)
	}
	leaves := make([]int, 0, len(cols))
	names := make([]string, len(cols))
	for i, c := range cols {
		if leaf := p.column(c); leaf >= 0 {
			leaves = append(leaves, leaf)
			names[i] = p.MetaData().Schema.Column(leaf).Name()
		}
	}
	pos, end := p.first[rowGroup], p.first[rowGroup+1]
	if len(leaves) == 0 {
		return p.nulls(pos, end, cols, each)
	}
	rr, err := fr.GetRecordReader(ctx, leaves, []int{rowGroup})
	if err != nil {
		return fmt.Errorf("read %s: %w", p.path, err)
	}
	defer rr.Release()
	for rr.Next() {
		rec := rr.RecordBatch()
		if err := p.deliver(ctx, rec, pos, cols, names, each); err != nil {
			return err
		}
		pos += rec.NumRows()
	}
	if err := rr.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read %s: %w", p.path, err)
	}
	if pos != end {
		return fmt.Errorf("read %s: row group %d ends at row %d, expected %d", p.path, rowGroup, pos, end)
	}
	return nil
}

func (p *parquetFile) deliver(ctx context.Context, rec arrow.RecordBatch, pos int64, cols []readColumn, names []string, each func(int64, []arrow.Array) error) error {
	got := make([]arrow.Array, len(cols))
	defer func() {
		for _, a := range got {
			if a != nil {
				a.Release()
			}
		}
	}()
	for i, c := range cols {
		if names[i] == "" {
			got[i] = array.MakeArrayOfNull(memory.DefaultAllocator, c.want, int(rec.NumRows()))
			continue
		}
		at := rec.Schema().FieldIndices(names[i])
		if len(at) != 1 {
			return terminal(fmt.Errorf("read %s: column %s is there %d times", p.path, names[i], len(at)))
		}
		a, err := conform(ctx, rec.Column(at[0]), c.want)
		if err != nil {
			return terminal(fmt.Errorf("read %s: column %s: %w", p.path, c.name, err))
		}
		got[i] = a
	}
	return each(pos, got)
}

func (p *parquetFile) nulls(pos, end int64, cols []readColumn, each func(int64, []arrow.Array) error) error {
	for ; pos < end; pos += readBatch {
		n := int(min(readBatch, end-pos))
		got := make([]arrow.Array, len(cols))
		for i, c := range cols {
			got[i] = array.MakeArrayOfNull(memory.DefaultAllocator, c.want, n)
		}
		err := each(pos, got)
		for _, a := range got {
			a.Release()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// conform turns an array into the type wanted: other writers use large strings,
// narrower integers, or bare bytes for UUIDs. The caller releases the result.
func conform(ctx context.Context, a arrow.Array, want arrow.DataType) (arrow.Array, error) {
	if arrow.TypeEqual(a.DataType(), want) {
		a.Retain()
		return a, nil
	}
	if ext, ok := want.(arrow.ExtensionType); ok {
		if have, ok := a.(array.ExtensionArray); ok {
			a = have.Storage()
		}
		if !arrow.TypeEqual(a.DataType(), ext.StorageType()) {
			return nil, fmt.Errorf("is %v, expected %v", a.DataType(), want)
		}
		return array.NewExtensionArrayWithStorage(ext, a), nil
	}
	out, err := compute.CastArray(ctx, a, compute.SafeCastOptions(want))
	if err != nil {
		return nil, fmt.Errorf("is %v, expected %v", a.DataType(), want)
	}
	return out, nil
}

// take picks rows of an array; the caller releases the result.
func take(ctx context.Context, a arrow.Array, rows arrow.Array) (arrow.Array, error) {
	ext, ok := a.(array.ExtensionArray)
	if !ok {
		return compute.TakeArray(ctx, a, rows)
	}
	storage, err := compute.TakeArray(ctx, ext.Storage(), rows)
	if err != nil {
		return nil, err
	}
	defer storage.Release()
	return array.NewExtensionArrayWithStorage(a.DataType().(arrow.ExtensionType), storage), nil
}
