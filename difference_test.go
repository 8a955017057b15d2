package etl_test

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// TestDifferenceInBoundedMemory compares more rows than the budget holds with a
// table that has them all, of which some differ.
func TestDifferenceInBoundedMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const budget = 8 << 20
	table := etl.Table{
		Name: "a.b", Key: []string{"id"}, OrderBy: []string{"at"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "at", Type: etl.Timestamp}, {Name: "text", Type: etl.String}},
	}
	table.Format = format.CSV{}.ForTable(table)
	e := endless{rows: 300_000}
	temp := t.TempDir()
	runtime.GC()
	var peak uint64
	var m runtime.MemStats
	last := time.Now()
	load := etl.Load{Table: "a.b", Kind: etl.Full, Difference: true, Files: []etl.File{{Location: "a/b/1.csv", Size: e.Size()}}}
	changes, err := etl.NewChanges(etl.ChangesConfig{
		Table: table, Source: e, Budget: budget, TempDir: temp, Load: load,
		Progress: func(string, int, int64) {
			if time.Since(last) > 5*time.Millisecond {
				runtime.ReadMemStats(&m)
				peak, last = max(peak, m.HeapInuse), time.Now()
			}
		},
	})
	require.NoError(t, err)
	var counts etl.Counts
	parts, removed := 0, int64(0)
	for part, err := range changes.Parts(t.Context()) {
		require.NoError(t, err)
		parts++
		require.True(t, part.Compares())
		require.Equal(t, []string{"id", "at", "text"}, part.Wants())
		found := committedRows(t, part)
		res, err := part.Resolve(t.Context(), etl.Committed{Rows: found})
		require.NoError(t, err)
		for rec, err := range res.Rows(t.Context()) {
			require.NoError(t, err)
			for _, id := range rec.Column(0).(*array.Int64).Int64Values() {
				require.Zero(t, id%1000)
			}
		}
		for k := range part.Len() {
			if res.Removes(int32(k)) {
				removed++
			}
		}
		require.Empty(t, res.Memory())
		counts.Add(res.Counts())
	}
	require.Greater(t, parts, 1)
	require.Equal(t, etl.Counts{Read: e.rows, Updated: e.rows / 1000, Unchanged: e.rows - e.rows/1000}, counts)
	require.Equal(t, counts.Updated, removed)
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
	t.Logf("%d parts, heap at most %d MiB", parts, peak>>20)
	require.Less(t, int64(peak), int64(2*budget+64<<20))
}

// committedRows are rows of a table for all keys of the part: every thousandth has
// another text. They are digested batch by batch.
func committedRows(t *testing.T, part *etl.Part) []etl.Found {
	ids := part.Keys().Column(0).(*array.Int64).Int64Values()
	at, err := arrow.TimestampFromString("2024-01-01T00:00:00", arrow.Microsecond)
	require.NoError(t, err)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	var out []etl.Found
	for from := 0; from < len(ids); from += 4096 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		f := etl.Found{}
		for i := from; i < min(from+4096, len(ids)); i++ {
			b.Field(0).(*array.Int64Builder).Append(ids[i])
			b.Field(1).(*array.TimestampBuilder).Append(at)
			text := "some text that takes room in the row"
			if ids[i]%1000 == 0 {
				text = "another"
			}
			b.Field(2).(*array.StringBuilder).Append(text)
			f.Ordinals = append(f.Ordinals, int32(i))
		}
		rec := b.NewRecordBatch()
		f.Digests, err = part.Digest(nil, rec)
		require.NoError(t, err)
		rec.Release()
		b.Release()
		out = append(out, f)
	}
	return out
}

func TestLoadChecksDifferences(t *testing.T) {
	load := etl.Load{Kind: etl.Full, Difference: true}
	good := etl.Counts{Read: 10, Inserted: 2, Updated: 3, Deleted: 1, Unchanged: 2, Filtered: 1, Superseded: 1, RemovedByFilter: 1, RemovedAsAbsent: 4, RowsBefore: 11, RowsAfter: 7}
	require.NoError(t, load.Check(good))
	for name, wrong := range map[string]func(*etl.Counts){
		"a row without a fate":      func(c *etl.Counts) { c.Read++ },
		"a row that stays":          func(c *etl.Counts) { c.RowsAfter++ },
		"an absent row that stays":  func(c *etl.Counts) { c.RemovedAsAbsent-- },
		"more rows than the load's": func(c *etl.Counts) { c.RowsBefore, c.RowsAfter = c.RowsBefore+1, c.RowsAfter+1 },
	} {
		c := good
		wrong(&c)
		require.ErrorIs(t, load.Check(c), etl.ErrAccounting, name)
	}
	load.Difference = false
	require.ErrorIs(t, load.Check(good), etl.ErrAccounting)
	require.NoError(t, load.Check(etl.Counts{Read: 3, Inserted: 3, RowsBefore: 9, RowsAfter: 3}))
}

// A table that asks for differences gets them from the Runner, under a load ID of
// its own; the epoch is opened as by any full load.
func TestRunnerCommitsDifferences(t *testing.T) {
	table := people()
	table.OrderBy, table.FullLoads = []string{"seq"}, etl.FullDifference
	p := newPipeline(t, table)
	p.land("hr/people/LOAD00000001.csv", "1,Ann,5\n2,Bob,5\n3,Cy,5\n")
	p.land("hr/people/20240220-110825123.csv", "U,1,Anne,9\n")
	first := p.ingest().Tables[0].Loads[0].Load
	p.land("hr/people/LOAD00000002.csv", "1,Anne,9\n2,Bea,5\n4,Di,5\n")
	p.land("hr/people/20240220-130825123.csv", "U,1,older,1\n") // beats a row of the epoch's full load
	rep := p.ingest()
	loads := rep.Tables[0].Loads
	require.Len(t, loads, 2)
	require.True(t, loads[0].Load.Difference)
	require.EqualValues(t, 2, loads[0].Load.Epoch)
	require.Equal(t, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1, RemovedAsAbsent: 1, RowsBefore: 3, RowsAfter: 3}, loads[0].Receipt.Counts)
	require.Equal(t, etl.Counts{Read: 1, Updated: 1, RowsBefore: 3, RowsAfter: 3}, loads[1].Receipt.Counts)
	require.Equal(t, []string{"1,older,1", "2,Bea,5", "4,Di,5"}, p.rows("hr.people"))

	plain := table
	plain.FullLoads = etl.FullReplace
	q := newPipeline(t, plain)
	q.land("hr/people/LOAD00000001.csv", "1,Ann,5\n2,Bob,5\n3,Cy,5\n")
	replaced := q.ingest().Tables[0].Loads[0].Load
	require.Equal(t, first.Files, replaced.Files)
	require.NotEqual(t, first.ID, replaced.ID)
	st, err := p.config.Control.State(t.Context(), "hr.people")
	require.NoError(t, err)
	require.EqualValues(t, 2, st.Epoch)
	plain.FullLoads = "some"
	require.ErrorContains(t, plain.Validate(), `full loads "some" are not replace or difference`)
}
