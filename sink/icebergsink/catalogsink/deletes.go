package catalogsink

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
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

// singles is up to how many data files a load may touch for each of them to get
// a delete file of its own. Beyond, one delete file speaks of all data files of a
// partition: a load that touches a thousand would make a thousand small objects.
const singles = 8

// deleteGroup are data files that share a delete file.
type deleteGroup []*dataFile

// groupDeletes sorts the data files by path and groups them. The order of the
// groups does not depend on chance.
func groupDeletes(removed map[*dataFile][]int64) []deleteGroup {
	files := make([]*dataFile, 0, len(removed))
	for f := range removed {
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b *dataFile) int { return cmp.Compare(a.FilePath(), b.FilePath()) })
	var groups []deleteGroup
	at := map[string]int{}
	for _, f := range files {
		place := placeOf(f)
		if len(files) <= singles {
			place = f.FilePath()
		}
		i, ok := at[place]
		if !ok {
			i = len(groups)
			at[place] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], f)
	}
	return groups
}

// placeOf names the partition of a file, with its spec.
func placeOf(f iceberg.DataFile) string {
	values := f.Partition()
	place := strconv.Itoa(int(f.SpecID()))
	for _, id := range slices.Sorted(maps.Keys(values)) {
		place += fmt.Sprintf("|%d=%T %q", id, values[id], fmt.Sprint(values[id]))
	}
	return place
}

// writeDeletes writes position-delete files for the rows that are removed
// (Iceberg spec, "Position Delete Files"). Where one speaks of a single data
// file, the bounds of file_path name it: iceberg-go does not carry
// referenced_data_file into v2 manifests.
func (w *work) writeDeletes(ctx context.Context) error {
	if len(w.removed) == 0 {
		return nil
	}
	places, err := w.tbl.LocationProvider()
	if err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	for _, positions := range w.removed {
		slices.Sort(positions)
		w.gone += int64(len(positions))
	}
	groups := groupDeletes(w.removed)
	w.deletes = make([]iceberg.DataFile, len(groups))
	run := uuid.NewString()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(w.sink.opts.Workers)
	for i, files := range groups {
		path := places.NewDataLocation(fmt.Sprintf("%05d-%s%s", i, run, deleteSuffix))
		w.staged = append(w.staged, path)
		g.Go(func() (err error) {
			w.deletes[i], err = w.writeGroup(ctx, path, files, w.removed)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("table %s: %w", w.target.Name, err)
	}
	return nil
}

func (w *work) writeGroup(ctx context.Context, path string, files deleteGroup, removed map[*dataFile][]int64) (iceberg.DataFile, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	spec := w.tbl.Metadata().PartitionSpecByID(int(files[0].SpecID()))
	if spec == nil {
		return nil, terminal(fmt.Errorf("data file %s is of partition spec %d, which the table does not have", files[0].FilePath(), files[0].SpecID()))
	}
	out, err := w.fs.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", path, err)
	}
	size := &counter{w: out}
	meta, err := encodeDelete(size, files, removed)
	if err = errors.Join(err, out.Close()); err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	args := table.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: *spec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size.n, Content: iceberg.EntryContentPosDeletes,
		PartitionValues: files[0].Partition(), FormatVersion: w.tbl.Metadata().Version(),
		Properties: iceberg.Properties{table.MetricsModeColumnConfPrefix + ".file_path": "full"},
	}
	if len(files) == 1 {
		ref := files[0].FilePath()
		args.ReferencedDataFile = &ref
	}
	return table.DataFileFromMetadata(args)
}

// deleteRows is how many rows a row group of a delete file has.
const deleteRows = 1 << 20

// encodeDelete writes (file_path, pos), sorted by both. The paths repeat, so
// they are given to the encoder as a dictionary.
func encodeDelete(out io.Writer, files deleteGroup, removed map[*dataFile][]int64) (*metadata.FileMetaData, error) {
	paths := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "file_path", Type: paths, Metadata: fieldID(fieldFilePath)},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: fieldID(fieldPos)},
	}, nil)
	props := parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(1),
		parquet.WithDataPageVersion(parquet.DataPageV1), parquet.WithDictionaryFor("pos", false), parquet.WithMaxRowGroupLength(deleteRows))
	fw, err := pqarrow.NewFileWriter(schema, out, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	names := array.NewStringBuilder(memory.DefaultAllocator)
	defer names.Release()
	var index []int32
	var rows []int64
	for i, f := range files {
		names.Append(f.FilePath())
		for _, pos := range removed[f] {
			index, rows = append(index, int32(i)), append(rows, pos)
		}
	}
	dict := names.NewArray()
	defer dict.Release()
	for from := 0; from < len(rows); from += deleteRows {
		to := min(from+deleteRows, len(rows))
		if err := writePositions(fw, schema, dict, index[from:to], rows[from:to]); err != nil {
			return nil, errors.Join(err, fw.Close())
		}
	}
	if err := fw.Close(); err != nil {
		return nil, err
	}
	return fw.FileMetadata()
}

func writePositions(fw *pqarrow.FileWriter, schema *arrow.Schema, dict arrow.Array, index []int32, rows []int64) error {
	wrap := func(typ arrow.DataType, bytes []byte) arrow.Array {
		data := array.NewData(typ, len(rows), []*memory.Buffer{nil, memory.NewBufferBytes(bytes)}, nil, 0, 0)
		defer data.Release()
		return array.MakeFromData(data)
	}
	at := wrap(arrow.PrimitiveTypes.Int32, arrow.Int32Traits.CastToBytes(index))
	defer at.Release()
	paths := array.NewDictionaryArray(schema.Field(0).Type, at, dict)
	defer paths.Release()
	pos := wrap(arrow.PrimitiveTypes.Int64, arrow.Int64Traits.CastToBytes(rows))
	defer pos.Release()
	rec := array.NewRecordBatch(schema, []arrow.Array{paths, pos}, int64(len(rows)))
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
