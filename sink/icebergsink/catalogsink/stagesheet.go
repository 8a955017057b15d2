package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/tidemark-data/etl"
)

// stageSheet is a side file with what the rows of a staged file do not show: see
// [etl.Resolution.Sheet]. It is not written where there is nothing to say.
type stageSheet struct {
	w      *work
	path   string
	schema *arrow.Schema // key columns, order, fate
	out    io.WriteCloser
	file   *pqarrow.FileWriter
}

func sheetSchema(target etl.Target) (*arrow.Schema, error) {
	fields := make([]arrow.Field, 0, len(target.Key)+2)
	for _, name := range target.Key {
		i := target.Columns.Index(name)
		if i < 0 {
			return nil, terminal(fmt.Errorf("table %s: no key column %s", target.Name, name))
		}
		fields = append(fields, arrow.Field{Name: "key." + name, Type: target.Columns[i].Type.Arrow()})
	}
	fields = append(fields, arrow.Field{Name: "order", Type: arrow.BinaryTypes.Binary, Nullable: true},
		arrow.Field{Name: "fate", Type: arrow.PrimitiveTypes.Int32})
	return arrow.NewSchema(fields, nil), nil
}

func (s *Sink) sheetPath(location, name, run string) string {
	return s.sideFolder(location, name) + "/stage-" + run + ".parquet"
}

func (w *work) newSheet(run string) (*stageSheet, error) {
	schema, err := sheetSchema(w.target)
	return &stageSheet{w: w, schema: schema, path: w.sink.sheetPath(w.tbl.Location(), w.target.Name, run)}, err
}

// add writes entries of a part.
func (s *stageSheet) add(ctx context.Context, part *etl.Part, entries []etl.SheetEntry) error {
	if len(entries) == 0 {
		return nil
	}
	if err := s.open(); err != nil {
		return err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "row", Type: arrow.PrimitiveTypes.Int32}, s.schema.Field(s.schema.NumFields() - 2), s.schema.Field(s.schema.NumFields() - 1),
	}, nil))
	defer b.Release()
	for _, e := range entries {
		b.Field(0).(*array.Int32Builder).Append(e.Ordinal)
		if e.Order == nil {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.BinaryBuilder).Append(e.Order)
		}
		b.Field(2).(*array.Int32Builder).Append(int32(e.Fate))
	}
	facts := b.NewRecordBatch()
	defer facts.Release()
	cols := make([]arrow.Array, 0, s.schema.NumFields())
	defer func() { releaseArrays(cols) }()
	for _, col := range part.Keys().Columns() {
		picked, err := take(ctx, col, facts.Column(0))
		if err != nil {
			return fmt.Errorf("keys of a staged file: %w", err)
		}
		cols = append(cols, picked)
	}
	for _, col := range facts.Columns()[1:] {
		col.Retain()
		cols = append(cols, col)
	}
	rec := array.NewRecordBatch(s.schema, cols, int64(len(entries)))
	defer rec.Release()
	return s.file.WriteBuffered(rec)
}

func (s *stageSheet) open() (err error) {
	if s.file != nil {
		return nil
	}
	s.w.staged = append(s.w.staged, s.path)
	if s.out, err = s.w.fs.Create(s.path); err != nil {
		return fmt.Errorf("create %s: %w", s.path, err)
	}
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDataPageVersion(parquet.DataPageV1), parquet.WithDictionaryDefault(false))
	s.file, err = pqarrow.NewFileWriter(s.schema, &counter{w: s.out}, props, pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	return err
}

// close completes the sheet and reports whether there is one.
func (s *stageSheet) close() (bool, error) {
	if s.out == nil {
		return false, nil
	}
	out := s.out
	s.out = nil
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	if err != nil {
		giveUp(out)
	} else {
		err = out.Close()
	}
	if err != nil {
		return false, fmt.Errorf("write %s: %w", s.path, err)
	}
	return true, nil
}

// abort gives up a sheet that was begun.
func (s *stageSheet) abort() {
	if s.out != nil {
		giveUp(s.out)
		s.out = nil
	}
}

// sheetReader reads a sheet back.
type sheetReader struct {
	*parquetFile
	cols []readColumn
}

func (w *work) openSheet(run string) (*sheetReader, error) {
	schema, err := sheetSchema(w.target)
	if err != nil {
		return nil, err
	}
	in, err := openParquet(w.fs, w.sink.sheetPath(w.tbl.Location(), w.target.Name, run))
	if err != nil {
		return nil, err
	}
	r := &sheetReader{parquetFile: in}
	for _, f := range schema.Fields() {
		c := readColumn{id: -2, name: f.Name, want: f.Type}
		if in.column(c) < 0 {
			return nil, errors.Join(terminal(fmt.Errorf("%s has no column %s", in.path, f.Name)), in.in.Close())
		}
		r.cols = append(r.cols, c)
	}
	return r, nil
}

// each calls fn with batches of keys, orders and fates.
func (r *sheetReader) each(ctx context.Context, fn func(keys []arrow.Array, orders *array.Binary, fates []int32) error) error {
	for rg := range r.NumRowGroups() {
		err := r.read(ctx, rg, r.cols, func(_ int64, got []arrow.Array) error {
			n := len(got) - 2
			return fn(got[:n], got[n].(*array.Binary), got[n+1].(*array.Int32).Int32Values())
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// bounds returns those of the first key column.
func (r *sheetReader) bounds(typ etl.Type) (lo, hi value, ok bool) {
	for rg := range r.NumRowGroups() {
		chunk, err := r.MetaData().RowGroup(rg).ColumnChunk(r.column(r.cols[0]))
		if err != nil {
			return lo, hi, false
		}
		if set, err := chunk.StatsSet(); err != nil || !set {
			return lo, hi, false
		}
		stats, err := chunk.Statistics()
		if err != nil || stats == nil || !stats.HasMinMax() {
			return lo, hi, false
		}
		_, _, decimal := typ.DecimalSize()
		l, h, ok := fromStats(stats, decimal)
		if !ok {
			return lo, hi, false
		}
		if rg == 0 || l.compare(lo) < 0 {
			lo = l
		}
		if rg == 0 || h.compare(hi) > 0 {
			hi = h
		}
	}
	return lo, hi, r.NumRowGroups() > 0
}
