package catalogsink

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/pages"
)

// filePlan is what the data files of a load have in common.
type filePlan struct {
	ice    *iceberg.Schema // with the names that the files have
	schema *arrow.Schema   // the same, with field ids
	from   []int           // by column: its index in the target
	spec   iceberg.PartitionSpec
	sort   []compute.SortKey
	props  iceberg.Properties
	enc    encodings
	places table.LocationProvider
	target int64 // bytes of a file
	group  int64 // rows of a row group
	format int
	pool   *pages.Pool
}

func newFilePlan(tbl *table.Table, target etl.Target) (*filePlan, error) {
	ice, err := iceberg.SanitizeColumnNames(tbl.Schema())
	if err != nil {
		return nil, err
	}
	p := &filePlan{
		ice: ice, spec: tbl.Spec(), props: maps.Clone(tbl.Properties()), format: tbl.Metadata().Version(),
		target: int64(tbl.Properties().GetInt(table.WriteTargetFileSizeBytesKey, table.WriteTargetFileSizeBytesDefault)),
		group:  int64(max(1, tbl.Properties().GetInt(table.ParquetRowGroupLimitKey, table.ParquetRowGroupLimitDefault))),
		pool:   pages.NewPool(),
	}
	if p.props == nil {
		p.props = iceberg.Properties{}
	}
	if p.schema, err = table.SchemaToArrowSchema(ice, nil, true, false); err != nil {
		return nil, err
	}
	if p.places, err = tbl.LocationProvider(); err != nil {
		return nil, err
	}
	sensitive := map[string]bool{}
	for i, f := range tbl.Schema().Fields() {
		at := target.Columns.Index(f.Name)
		if at < 0 {
			return nil, terminal(fmt.Errorf("column %s is not declared", f.Name))
		}
		p.from = append(p.from, at)
		name := ice.Field(i).Name
		// Settings go by the declared name, the library looks for the file's.
		if mode, ok := p.props[table.MetricsModeColumnConfPrefix+"."+f.Name]; ok {
			p.props[table.MetricsModeColumnConfPrefix+"."+name] = mode
		}
		if target.Columns[at].Sensitive {
			sensitive[name] = true
			p.props[table.MetricsModeColumnConfPrefix+"."+name] = "none"
		}
	}
	p.sort = sortKeys(tbl.SortOrder(), ice)
	p.enc, err = newEncodings(tbl, ice, sensitive)
	return p, err
}

// sortKeys are those that rows of a row group are sorted by.
func sortKeys(order table.SortOrder, schema *iceberg.Schema) (keys []compute.SortKey) {
	for _, f := range order.Fields() {
		for i, col := range schema.Fields() {
			if col.ID != f.SourceID() || !f.Transform.PreservesOrder() {
				continue
			}
			key := compute.SortKey{ColumnIndex: i, Order: compute.SortOrderAscending, NullPlacement: compute.SortNullsAtEnd}
			if f.Direction == table.SortDESC {
				key.Order = compute.SortOrderDescending
			}
			if f.NullOrder == table.NullsFirst {
				key.NullPlacement = compute.SortNullsAtStart
			}
			keys = append(keys, key)
		}
	}
	return keys
}

// fileWriter writes one data file. Rows wait until there are enough to choose
// the encodings by or, in sorted tables, to fill a row group.
type fileWriter struct {
	plan   *filePlan
	path   string
	values map[int]any // of the partition

	out    io.WriteCloser
	buffer *bufio.Writer
	count  *counter
	parq   *pages.Writer

	waiting []arrow.RecordBatch
	rows    int64 // waiting
}

func (p *filePlan) begin(fs iceio.WriteFileIO, path string, values map[int]any) (*fileWriter, error) {
	out, err := fs.Create(path)
	if err != nil {
		return nil, err
	}
	f := &fileWriter{plan: p, path: path, values: values, out: out}
	f.buffer = bufio.NewWriterSize(out, 1<<16) // most writes are longer
	f.count = &counter{w: f.buffer}
	return f, nil
}

func (f *fileWriter) write(ctx context.Context, rec arrow.RecordBatch) error {
	rec.Retain()
	f.waiting = append(f.waiting, rec)
	f.rows += rec.NumRows()
	switch {
	case len(f.plan.sort) > 0 && f.rows < f.plan.group, f.parq == nil && f.rows < sampleRows:
		return nil
	}
	return f.flush(ctx)
}

func (f *fileWriter) flush(ctx context.Context) error {
	defer f.drop()
	if len(f.plan.sort) > 0 && f.rows > 0 {
		if err := f.arrange(ctx); err != nil {
			return err
		}
	}
	if f.parq == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	for _, rec := range f.waiting {
		if err := f.parq.Write(rec); err != nil {
			return err
		}
	}
	return nil
}

// open begins the Parquet file, as the rows that wait suggest.
func (f *fileWriter) open() error {
	props := f.plan.enc.properties(f.plan, f.waiting)
	schema, err := pqarrow.ToParquet(f.plan.schema, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	f.parq, err = pages.NewWriter(f.count, schema, props, f.plan.pool)
	return err
}

// arrange sorts the rows that wait.
func (f *fileWriter) arrange(ctx context.Context) error {
	cols := make([]arrow.Array, f.plan.schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		parts := make([]arrow.Array, len(f.waiting))
		for j, rec := range f.waiting {
			parts[j] = rec.Column(i)
		}
		var err error
		if cols[i], err = array.Concatenate(parts, memory.DefaultAllocator); err != nil {
			return err
		}
	}
	whole := array.NewRecordBatch(f.plan.schema, cols, f.rows)
	defer whole.Release()
	sorted, err := compute.SortRecordBatch(ctx, whole, f.plan.sort)
	if err != nil {
		return err
	}
	defer sorted.Release()
	f.drop()
	f.waiting = []arrow.RecordBatch{array.NewRecordBatch(f.plan.schema, sorted.Columns(), sorted.NumRows())}
	return nil
}

func (f *fileWriter) drop() {
	for _, rec := range f.waiting {
		rec.Release()
	}
	f.waiting, f.rows = nil, 0
}

// size is about how many bytes the file has.
func (f *fileWriter) size() int64 {
	if f.parq == nil {
		return 0
	}
	return f.parq.Size()
}

// finish completes the file and describes it.
func (f *fileWriter) finish(ctx context.Context) (iceberg.DataFile, error) {
	if err := f.flush(ctx); err != nil {
		f.abort()
		return nil, err
	}
	meta, err := f.end()
	if err != nil {
		return nil, err
	}
	return table.DataFileFromMetadata(table.DataFileArgs{
		Schema: f.plan.ice, Spec: f.plan.spec, Format: iceberg.ParquetFile, Metadata: meta, FilePath: f.path, FileSize: f.count.n,
		Content: iceberg.EntryContentData, PartitionValues: f.values, Properties: f.plan.props, FormatVersion: f.plan.format,
	})
}

// end completes the file.
func (f *fileWriter) end() (*metadata.FileMetaData, error) {
	out := f.out
	f.out = nil
	meta, err := f.parq.Close()
	f.parq.Release()
	return meta, publish(out, f.buffer, err)
}

// abort closes the file, which is of no use any more.
func (f *fileWriter) abort() {
	f.drop()
	if f.parq != nil {
		f.parq.Release()
	}
	if f.out != nil {
		giveUp(f.out)
		f.out = nil
	}
}

// publish closes a file of which the rest is in buffer, unless err has spoilt it.
func publish(out io.Closer, buffer *bufio.Writer, err error) error {
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		giveUp(out)
		return err
	}
	return out.Close()
}

// giveUp closes a file that is not complete. Storage that publishes files when
// they are closed may have another way to end them.
func giveUp(out io.Closer) {
	if upload, ok := out.(interface{ Abort() }); ok {
		upload.Abort()
		return
	}
	_ = out.Close() // the caller has the cause
}
