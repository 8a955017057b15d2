package catalogsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const deleteSuffix = "-tidemark-deletes.parquet"

// writeDeletes writes one position-delete file for each data file that loses
// rows (Iceberg spec, "Position Delete Files"). The bounds of file_path name that
// data file: iceberg-go does not carry referenced_data_file into v2 manifests.
func (w *work) writeDeletes(ctx context.Context) error {
	if len(w.removed) == 0 {
		return nil
	}
	places, err := w.tbl.LocationProvider()
	if err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	files := make([]*dataFile, 0, len(w.removed))
	for f := range w.removed {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *dataFile) int { return cmp.Compare(a.FilePath(), b.FilePath()) })
	w.deletes = make([]iceberg.DataFile, len(files))
	run := uuid.NewString()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.sink.opts.Workers)
	for i, f := range files {
		path := places.NewDataLocation(fmt.Sprintf("%05d-%s%s", i, run, deleteSuffix))
		w.staged = append(w.staged, path)
		g.Go(func() (err error) {
			slices.Sort(w.removed[f])
			w.deletes[i], err = w.writeDelete(ctx, path, f, w.removed[f])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	return nil
}

func (w *work) writeDelete(ctx context.Context, path string, f *dataFile, positions []int64) (iceberg.DataFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := w.fs.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	size := &counter{w: out}
	meta, err := encodeDelete(size, f.FilePath(), positions)
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	spec := w.tbl.Metadata().PartitionSpecByID(int(f.SpecID()))
	if spec == nil {
		return nil, terminal(fmt.Errorf("data file %s is of partition spec %d, which the table does not have", f.FilePath(), f.SpecID()))
	}
	ref := f.FilePath()
	return table.DataFileFromMetadata(table.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: *spec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size.n, Content: iceberg.EntryContentPosDeletes,
		PartitionValues: f.Partition(), FormatVersion: w.tbl.Metadata().Version(), ReferencedDataFile: &ref,
	})
}

// encodeDelete writes (file_path, pos). The path repeats, so it is given to the
// encoder as a dictionary of one.
func encodeDelete(out io.Writer, ref string, positions []int64) (*metadata.FileMetaData, error) {
	paths := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "file_path", Type: paths, Metadata: fieldID(fieldFilePath)},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: fieldID(fieldPos)},
	}, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDataPageVersion(parquet.DataPageV1), parquet.WithDictionaryFor("pos", false))
	fw, err := pqarrow.NewFileWriter(schema, out, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(positions, 1<<16) {
		if err := writePositions(fw, schema, ref, chunk); err != nil {
			return nil, errors.Join(err, fw.Close())
		}
	}
	if err := fw.Close(); err != nil {
		return nil, err
	}
	return fw.FileMetadata()
}

func writePositions(fw *pqarrow.FileWriter, schema *arrow.Schema, ref string, positions []int64) error {
	names := array.NewStringBuilder(memory.DefaultAllocator)
	defer names.Release()
	names.Append(ref)
	dict := names.NewArray()
	defer dict.Release()
	indices := array.NewInt32Builder(memory.DefaultAllocator)
	defer indices.Release()
	indices.AppendValues(make([]int32, len(positions)), nil)
	index := indices.NewArray()
	defer index.Release()
	pos := array.NewInt64Builder(memory.DefaultAllocator)
	defer pos.Release()
	pos.AppendValues(positions, nil)
	at := pos.NewArray()
	defer at.Release()
	paths := array.NewDictionaryArray(schema.Field(0).Type, index, dict)
	defer paths.Release()
	rec := array.NewRecordBatch(schema, []arrow.Array{paths, at}, int64(len(positions)))
	defer rec.Release()
	return fw.Write(rec)
}

func fieldID(id int) arrow.Metadata {
	return arrow.NewMetadata([]string{table.ArrowParquetFieldIDKey}, []string{strconv.Itoa(id)})
}

// counter counts what passes through.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
