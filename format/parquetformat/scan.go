package parquetformat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/scanned"
)

const (
	batchRows  = 4096
	readBuffer = 1 << 20
)

// scan is one pass over one file.
type scan struct {
	format  Format
	req     etl.ScanRequest
	in      *input
	reader  *file.Reader
	arrow   *pqarrow.FileReader
	schema  *arrow.Schema
	columns []column
	leaves  []int // the Parquet columns to read, ascending
	row     int64 // rows of the row groups before the current one

	bad  map[int]*etl.RowError                                            // by row of the batch in the making
	keep func(numbers []int64, columns []arrow.Array, picked []int) error // instead of converting, if not nil
}

// column is a wanted column.
type column struct {
	at      int // index into leaves; -1 for none
	convert converter
	builder array.Builder
}

func (s *scan) open(ctx context.Context) error {
	if err := s.in.checkEnds(s.format.MaxFooterBytes); err != nil {
		return err
	}
	return guard(func() (err error) {
		props := parquet.NewReaderProperties(newAllocator())
		props.BufferedStreamEnabled, props.BufferSize = true, readBuffer
		props.MaxUncompressedPageSize = s.format.MaxPageBytes
		section := io.NewSectionReader(s.in, 0, s.in.in.Size())
		if s.reader, err = file.NewParquetReader(section, file.WithReadProps(props)); err != nil {
			return err
		}
		// Types are those of the Parquet schema. The Arrow schema that some
		// writers store beside it is decoded without a limit on memory.
		s.reader.MetaData().FileMetaData.KeyValueMetadata = nil
		s.arrow, err = pqarrow.NewFileReader(s.reader, pqarrow.ArrowReadProperties{BatchSize: batchRows}, newAllocator())
		if err != nil {
			return err
		}
		return s.plan()
	})
}

// plan finds the wanted columns in the file.
func (s *scan) plan() error {
	fields := make([]arrow.Field, len(s.req.Columns))
	found := make([]int, len(s.req.Columns))
	s.columns = make([]column, len(s.req.Columns))
	for i, want := range s.req.Columns {
		dt := want.Type.Arrow()
		fields[i] = arrow.Field{Name: want.Name, Type: dt, Nullable: true}
		s.columns[i] = column{at: -1, builder: array.NewBuilder(memory.DefaultAllocator, dt)}
		f, err := s.find(want)
		if err != nil {
			return err
		}
		found[i] = -1
		if f == nil {
			continue
		}
		found[i] = f.ColIndex
		if s.columns[i].convert = s.format.converter(f.Field.Type, want.Type); s.columns[i].convert == nil || !f.IsLeaf() {
			return s.wrong(0, want.Name, fmt.Sprintf("file has type %v, table wants %v", f.Field.Type, want.Type))
		}
		s.leaves = append(s.leaves, f.ColIndex)
	}
	slices.Sort(s.leaves)
	s.leaves = slices.Compact(s.leaves)
	for i := range s.columns {
		if found[i] >= 0 {
			s.columns[i].at, _ = slices.BinarySearch(s.leaves, found[i])
		}
	}
	s.schema = arrow.NewSchema(fields, nil)
	return nil
}

// find returns the field of a wanted column, nil if it may be and is missing.
func (s *scan) find(want etl.ScanColumn) (found *pqarrow.SchemaField, err error) {
	all := s.arrow.Manifest.Fields
	for i := range all {
		if all[i].Field.Name != want.Name {
			continue
		}
		if found != nil {
			return nil, s.wrong(0, want.Name, "column is in the file twice")
		}
		found = &all[i]
	}
	if found == nil && !want.Optional {
		return nil, s.wrong(0, want.Name, "column is missing")
	}
	return found, nil
}

// run reports whether the consumer wants more.
func (s *scan) run(ctx context.Context, yield func(etl.Rows, error) bool) (bool, error) {
	for g := range s.reader.NumRowGroups() {
		var n int64
		err := guard(func() error {
			n = s.reader.MetaData().RowGroup(g).NumRows()
			return nil
		})
		if err != nil {
			return false, err
		}
		if n < 0 || n > math.MaxInt32 {
			return false, corrupt
		}
		more, err := s.group(ctx, g, n, yield)
		if !more || err != nil {
			return false, err
		}
		s.row += n
	}
	return true, nil
}

// group reads one row group of n rows, unless none of them is wanted.
func (s *scan) group(ctx context.Context, g int, n int64, yield func(etl.Rows, error) bool) (bool, error) {
	pick := &picker{want: s.req.Select, base: s.row}
	if ok, err := pick.any(ctx, n); !ok || err != nil {
		return true, err
	}
	reader, err := s.groupReader(ctx, g)
	if err != nil {
		return false, err
	}
	defer reader.release()
	for done := int64(0); done < n; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		size, err := reader.next(min(batchRows, n-done))
		if err != nil {
			return false, err
		}
		if size < 1 || size > n-done {
			return false, corrupt
		}
		rows, err := s.batch(reader.columns, pick.rows(done, size), s.row+done)
		if err != nil {
			return false, err
		}
		done += size
		if rows.Record == nil {
			continue
		}
		if err := s.leave(&rows); err != nil {
			return false, err
		}
		more := yield(rows, nil)
		rows.Record.Release()
		if !more {
			return false, nil
		}
	}
	return true, nil
}

// batch converts the picked rows of a batch, the first of which follows row base.
func (s *scan) batch(columns []arrow.Array, picked []int, base int64) (rows etl.Rows, err error) {
	if len(picked) == 0 {
		return rows, nil
	}
	rows.Numbers = make([]int64, len(picked))
	for i, p := range picked {
		rows.Numbers[i] = base + int64(p) + 1
	}
	if s.keep != nil {
		return etl.Rows{}, guard(func() error { return s.keep(rows.Numbers, columns, picked) })
	}
	err = guard(func() error {
		arrays := make([]arrow.Array, 0, len(s.columns))
		defer func() {
			for _, a := range arrays {
				a.Release()
			}
		}()
		for i, c := range s.columns {
			if c.at < 0 {
				c.builder.AppendNulls(len(picked))
			} else if err := s.convert(i, columns[c.at], picked, rows.Numbers); err != nil {
				return err
			}
			arrays = append(arrays, c.builder.NewArray())
		}
		rows.Record = array.NewRecordBatch(s.schema, arrays, int64(len(picked)))
		return nil
	})
	return rows, err
}

// convert appends the picked values of a column. In a tolerant scan a null takes the
// place of a bad one, and its record is noted.
func (s *scan) convert(i int, from arrow.Array, picked []int, numbers []int64) error {
	c := s.columns[i]
	for at := 0; at < len(picked); {
		n, rule := c.convert(from, picked[at:], c.builder)
		if rule == "" {
			return nil
		}
		at += n
		err := &etl.RowError{File: s.req.Location, Row: numbers[at], Column: s.req.Columns[i].Name, Rule: rule}
		if !s.req.Tolerant {
			return err
		}
		c.builder.AppendNull()
		if s.bad == nil {
			s.bad = map[int]*etl.RowError{}
		}
		if s.bad[at] == nil {
			s.bad[at] = err
		}
		at++
	}
	return nil
}

// leave takes the bad records out of a batch.
func (s *scan) leave(rows *etl.Rows) error {
	bad := s.bad
	s.bad = nil
	return scanned.LeaveErrors(rows, bad)
}

func (s *scan) close() {
	for _, c := range s.columns {
		if c.builder != nil {
			c.builder.Release()
		}
	}
}

func (s *scan) wrong(row int64, column, rule string) error {
	return &etl.RowError{File: s.req.Location, Row: row, Column: column, Rule: rule}
}

// failed places an error. What the library says may quote the file, so it is not
// passed on.
func (s *scan) failed(ctx context.Context, err error) error {
	var row *etl.RowError
	var file badFile
	switch {
	case s.in.err != nil:
		return &etl.FileError{File: s.req.Location, Err: s.in.err}
	case ctx.Err() != nil:
		return &etl.FileError{File: s.req.Location, Err: ctx.Err()}
	case errors.As(err, &row):
		return err
	case errors.As(err, &file):
		return s.wrong(0, "", string(file))
	}
	return s.wrong(0, "", string(corrupt))
}
