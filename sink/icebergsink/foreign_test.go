package icebergsink_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// commitForeign does to the table what another writer might do.
func (l *lake) commitForeign(do func(tx *icetable.Transaction)) {
	l.t.Helper()
	tx := l.iceberg().NewTransaction()
	do(tx)
	_, err := tx.Commit(l.t.Context())
	require.NoError(l.t, err)
}

// writeParquet writes rows given as JSON beside the table's files.
func (l *lake) writeParquet(name string, schema *arrow.Schema, json string) (path string, size int64, meta any) {
	l.t.Helper()
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, bytes.NewReader([]byte(json)))
	require.NoError(l.t, err)
	var buf bytes.Buffer
	fw, err := pqarrow.NewFileWriter(schema, &buf, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	require.NoError(l.t, err)
	require.NoError(l.t, fw.Write(rec))
	require.NoError(l.t, fw.Close())
	md, err := fw.FileMetadata()
	require.NoError(l.t, err)
	path = l.iceberg().Location() + "/data/" + name
	fs, err := l.iceberg().FS(l.t.Context())
	require.NoError(l.t, err)
	require.NoError(l.t, fs.(iceio.WriteFileIO).WriteFile(path, buf.Bytes()))
	return path, int64(buf.Len()), md
}

func numbered(name string, dt arrow.DataType, id int) arrow.Field {
	return arrow.Field{Name: name, Type: dt, Metadata: arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{strconv.Itoa(id)})}
}

var positionSchema = arrow.NewSchema([]arrow.Field{
	numbered("file_path", arrow.BinaryTypes.String, 2147483546), numbered("pos", arrow.PrimitiveTypes.Int64, 2147483545),
}, nil)

// A delete file that names several data files, some positions twice and one
// that is deleted already, is honoured and counted right.
func TestForeignPositionDeletes(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	l.apply(etl.Incremental, many(10, 20, "b")...)
	l.apply(etl.Incremental, del(0)) // position 0 of the first file
	var a, b string
	for _, f := range l.entries(iceberg.EntryContentData) {
		if f.seq == 1 {
			a = f.FilePath()
		} else {
			b = f.FilePath()
		}
	}
	path, size, meta := l.writeParquet("foreign-deletes.parquet", positionSchema, fmt.Sprintf(
		`[{"file_path":%[1]q,"pos":0},{"file_path":%[1]q,"pos":1},{"file_path":%[1]q,"pos":1},{"file_path":%[2]q,"pos":9}]`, a, b))
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentPosDeletes, FormatVersion: 2,
	})
	require.NoError(t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.NewRowDelta(nil).AddDeletes(df).Commit(t.Context()))
	})
	require.Len(t, l.rows(), 17)

	// 1 and 19 are gone, so they are inserted; 2 is updated.
	r := l.apply(etl.Incremental, upd(1, "c", 1), upd(19, "c", 1), upd(2, "c", 1))
	require.Equal(t, etl.Counts{Read: 3, Inserted: 2, Updated: 1, RowsBefore: 17, RowsAfter: 19}, r.Counts)
}

// The same positions in two files of another writer are counted once.
func TestForeignDeletesThatOverlap(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	ref := l.entries(iceberg.EntryContentData)[0].FilePath()
	for i := range 2 {
		path, size, meta := l.writeParquet(fmt.Sprintf("foreign-%d.parquet", i), positionSchema,
			fmt.Sprintf(`[{"file_path":%[1]q,"pos":3},{"file_path":%[1]q,"pos":%[2]d}]`, ref, 5+i))
		df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
			Schema: iceberg.PositionalDeleteSchema, Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
			FilePath: path, FileSize: size, Content: iceberg.EntryContentPosDeletes, FormatVersion: 2, ReferencedDataFile: &ref,
		})
		require.NoError(t, err)
		l.commitForeign(func(tx *icetable.Transaction) {
			require.NoError(t, tx.NewRowDelta(nil).AddDeletes(df).Commit(t.Context()))
		})
	}
	r := l.apply(etl.Incremental, upd(3, "b", 1), upd(4, "b", 1))
	require.Equal(t, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RowsBefore: 7, RowsAfter: 8}, r.Counts)
}

func TestEqualityDeletesAreRefused(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 10, "a")...)
	schema := arrow.NewSchema([]arrow.Field{numbered("id", arrow.PrimitiveTypes.Int64, 1)}, nil)
	path, size, meta := l.writeParquet("equality.parquet", schema, `[{"id":3}]`)
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: l.iceberg().Schema(), Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentEqDeletes, FormatVersion: 2, EqualityFieldIDs: []int{1},
	})
	require.NoError(t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.NewRowDelta(nil).AddDeletes(df).Commit(t.Context()))
	})
	require.Len(t, l.rows(), 9)
	load, changes := l.land(etl.Incremental, upd(3, "b", 1))
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
	require.ErrorContains(t, err, "equality-delete")
	// A full load takes them away.
	load, changes = l.land(etl.Full, many(0, 4, "c")...)
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.NoError(t, err)
	require.Len(t, l.rows(), 4)
	require.Empty(t, l.entries(iceberg.EntryContentEqDeletes))
}

// Files that came by AddFiles have no field ids and large strings.
func TestForeignDataFileWithoutFieldIDs(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 3, "a")...)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "at", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	path, _, _ := l.writeParquet("foreign.parquet", schema, `[{"at":1,"id":70,"name":"x"},{"at":2,"id":71,"name":"y"}]`)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.AddFiles(t.Context(), []string{path}, nil, false))
	})
	require.Len(t, l.rows(), 5)
	l.files.partial = true
	r := l.apply(etl.Incremental, row{"op": "U", "id": 71, "name": "z", "at": unsupplied{}})
	require.Equal(t, int64(1), r.Counts.Updated)
	require.Contains(t, l.rows(), "71|z|2")
}

// A table that breaks its own key cannot be settled against.
func TestDuplicateKeysInTheTable(t *testing.T) {
	t.Parallel()
	l := newLake(t, people())
	l.apply(etl.Full, many(0, 3, "a")...)
	schema := arrow.NewSchema([]arrow.Field{
		numbered("id", arrow.PrimitiveTypes.Int64, 1), numbered("name", arrow.BinaryTypes.String, 2), numbered("at", arrow.PrimitiveTypes.Int64, 3),
	}, nil)
	path, size, meta := l.writeParquet("double.parquet", schema, `[{"id":1,"name":"x","at":1}]`)
	df, err := icetable.DataFileFromMetadata(icetable.DataFileArgs{
		Schema: l.iceberg().Schema(), Spec: *iceberg.UnpartitionedSpec, Format: iceberg.ParquetFile, Metadata: meta,
		FilePath: path, FileSize: size, Content: iceberg.EntryContentData, FormatVersion: 2,
	})
	require.NoError(t, err)
	l.commitForeign(func(tx *icetable.Transaction) {
		require.NoError(t, tx.NewRowDelta(nil).AddRows(df).Commit(t.Context()))
	})
	load, changes := l.land(etl.Incremental, upd(1, "b", 1))
	_, err = l.sink.Apply(t.Context(), l.target(), load, changes)
	require.ErrorContains(t, err, "more than one row for a key")
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err))
}
