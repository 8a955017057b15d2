package icebergsink_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	icetable "github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink"
)

// row is one record of a change file: its operation ("" is an upsert in full
// loads) and its values by column.
type row map[string]any

// unsupplied stands for a value that the producer did not supply.
type unsupplied struct{}

// files is a source and a format at once: what landed is kept as rows.
type files struct {
	mu      sync.Mutex
	rows    map[string][]row
	partial bool
	// onScan, if not nil, is called before each reading of a file.
	onScan func(location string)
}

func (f *files) List(context.Context) iter.Seq2[etl.File, error] { return nil }

func (f *files) Open(context.Context, etl.File) (etl.Input, error) { return nothing{}, nil }

type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (nothing) Size() int64                       { return 0 }
func (nothing) Close() error                      { return nil }

func (f *files) Partial(kind etl.LoadKind) bool { return f.partial && kind == etl.Incremental }

func (f *files) Scan(_ context.Context, _ etl.Input, req etl.ScanRequest) iter.Seq2[etl.Rows, error] {
	return func(yield func(etl.Rows, error) bool) {
		if f.onScan != nil {
			f.onScan(req.Location)
		}
		f.mu.Lock()
		all := f.rows[req.Location]
		f.mu.Unlock()
		fields := make([]arrow.Field, len(req.Columns))
		for i, c := range req.Columns {
			fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
		}
		for from := 0; from < len(all); from += 1000 {
			b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
			out := etl.Rows{Unsupplied: make([][]bool, len(fields))}
			for i, r := range all[from:min(from+1000, len(all))] {
				n := int64(from + i + 1)
				if req.Select != nil && !req.Select(n) {
					continue
				}
				for c, col := range req.Columns {
					_, missing := r[col.Name].(unsupplied)
					out.Unsupplied[c] = append(out.Unsupplied[c], missing)
					add(b.Field(c), r[col.Name])
				}
				out.Numbers = append(out.Numbers, n)
			}
			out.Record = b.NewRecordBatch()
			b.Release()
			more := yield(out, nil)
			out.Record.Release()
			if !more {
				return
			}
		}
	}
}

func add(b array.Builder, v any) {
	switch x := v.(type) {
	case nil, unsupplied:
		b.AppendNull()
	case bool:
		b.(*array.BooleanBuilder).Append(x)
	case int:
		switch b := b.(type) {
		case *array.Int32Builder:
			b.Append(int32(x))
		case *array.Int64Builder:
			b.Append(int64(x))
		default:
			panic(fmt.Sprintf("int for %T", b))
		}
	case float64:
		switch b := b.(type) {
		case *array.Float32Builder:
			b.Append(float32(x))
		case *array.Float64Builder:
			b.Append(x)
		}
	case string:
		b.(*array.StringBuilder).Append(x)
	case []byte:
		b.(*array.BinaryBuilder).Append(x)
	case time.Time:
		switch b := b.(type) {
		case *array.Date32Builder:
			b.Append(arrow.Date32FromTime(x))
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(x.UnixMicro()))
		}
	case uuid.UUID:
		b.(*extensions.UUIDBuilder).Append(x)
	case decimal128.Num:
		b.(*array.Decimal128Builder).Append(x)
	default:
		panic(fmt.Sprintf("value of %T", v))
	}
}

// lake is a sink with one table.
type lake struct {
	t     testing.TB
	dir   string
	sink  *icebergsink.Sink
	table etl.Table
	files *files
	n     int
	epoch int64
	fence int64
}

func people() etl.Table {
	return etl.Table{
		AllowEmpty: true,
		Name:       "mpd.people", Key: []string{"id"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "at", Type: etl.Long}},
		Op:      etl.OpColumn{Column: "op"},
	}
}

func newLake(t testing.TB, table etl.Table) *lake {
	l := &lake{t: t, dir: t.TempDir(), table: table, files: &files{rows: map[string][]row{}}, fence: 1}
	l.sink = l.open()
	return l
}

func (l *lake) open() *icebergsink.Sink {
	s, err := icebergsink.Open(l.t.Context(), icebergsink.Config{Warehouse: filepath.Join(l.dir, "lake")})
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, s.Close()) })
	return s
}

func (l *lake) target() etl.Target {
	target, err := l.table.Target()
	require.NoError(l.t, err)
	return target
}

// land makes a load of one file.
func (l *lake) land(kind etl.LoadKind, rows ...row) (etl.Load, *etl.Changes) {
	l.n++
	if kind == etl.Full {
		l.epoch++
	}
	f := etl.File{Location: fmt.Sprintf("%s/%06d", kind, l.n), Size: int64(len(rows)), ModTime: time.Unix(int64(l.n), 0)}
	l.files.mu.Lock()
	l.files.rows[f.Location] = rows
	l.files.mu.Unlock()
	load := etl.Load{
		ID: fmt.Sprintf("load-%d", l.n), Table: l.table.Name, Kind: kind, Epoch: l.epoch, Files: []etl.File{f},
		Watermark: fmt.Sprintf("w%06d", l.n), Landed: time.Unix(1000, 0).UTC(), Fence: l.fence,
	}
	return load, l.changes(load)
}

func (l *lake) changes(load etl.Load) *etl.Changes {
	c, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.files, Format: l.files})
	require.NoError(l.t, err)
	return c
}

func (l *lake) apply(kind etl.LoadKind, rows ...row) etl.Receipt {
	l.t.Helper()
	load, changes := l.land(kind, rows...)
	r, err := l.sink.Apply(l.t.Context(), l.target(), load, changes)
	require.NoError(l.t, err)
	require.False(l.t, r.Found)
	require.Equal(l.t, load.ID, r.LoadID)
	require.NotEmpty(l.t, r.Snapshot)
	require.Equal(l.t, int64(len(l.rows())), r.Counts.RowsAfter, "RowsAfter is not the number of rows that a scan gives")
	return r
}

func (l *lake) iceberg() *icetable.Table {
	l.t.Helper()
	tbl, err := l.sink.Table(l.t.Context(), l.table.Name)
	require.NoError(l.t, err)
	return tbl
}

// rows scans the table: one line for each row, sorted.
func (l *lake) rows() []string {
	l.t.Helper()
	return scan(l.t, l.sink, l.table.Name)
}

func scan(t testing.TB, s *icebergsink.Sink, name string) []string {
	t.Helper()
	lines := []string{}
	for rec, err := range s.Scan(t.Context(), name) {
		require.NoError(t, err)
		for i := range int(rec.NumRows()) {
			cells := make([]string, rec.NumCols())
			for c := range cells {
				cells[c] = rec.Column(c).ValueStr(i)
			}
			lines = append(lines, strings.Join(cells, "|"))
		}
	}
	sort.Strings(lines)
	return lines
}

// entry is a live entry of the manifests.
type entry struct {
	iceberg.DataFile
	seq int64
}

func (l *lake) entries(content iceberg.ManifestEntryContent) []entry {
	l.t.Helper()
	tbl := l.iceberg()
	fs, err := tbl.FS(l.t.Context())
	require.NoError(l.t, err)
	manifests, err := tbl.CurrentSnapshot().Manifests(fs)
	require.NoError(l.t, err)
	var out []entry
	for _, m := range manifests {
		for e, err := range m.Entries(fs, true) {
			require.NoError(l.t, err)
			if e.DataFile().ContentType() == content {
				out = append(out, entry{e.DataFile(), e.SequenceNum()})
			}
		}
	}
	return out
}

func (l *lake) snapshots() int { return len(l.iceberg().Metadata().Snapshots()) }

func ins(id int, name string, at int) row { return row{"op": "I", "id": id, "name": name, "at": at} }
func upd(id int, name string, at int) row { return row{"op": "U", "id": id, "name": name, "at": at} }
func del(id int) row                      { return row{"op": "D", "id": id} }

func many(from, to int, name string) []row {
	var out []row
	for i := from; i < to; i++ {
		out = append(out, ins(i, fmt.Sprintf("%s%d", name, i), i))
	}
	return out
}

func concat(rs ...[]row) []row { return slices.Concat(rs...) }
