//go:build interop

package interop

import (
	"fmt"
	"maps"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// Features that not every engine has; limits.py says which do not.
const (
	deletionVectors = "deletion vectors"
	groupedDeletes  = "delete files of several data files"
	newEncodings    = "delta and byte-stream-split encodings"
	bloomFilters    = "bloom filters"
)

const writeMode = "tidemark.write-mode"

type parquetChunk = metadata.ColumnChunkMetaData

var (
	copied  = map[string]string{writeMode: "copy-on-write"}
	either  = map[string]string{writeMode: "auto"}
	version = map[string]string{"format-version": "3"}
	both    = map[string]string{"format-version": "3", writeMode: "copy-on-write"}
	any3    = map[string]string{"format-version": "3", writeMode: "auto"}
	newest  = map[string]string{"tidemark.readers": "iceberg>=1.11"}
)

// moded starts a table of every type that is written in some mode, half of its
// columns without bounds.
func (l *lake) moded(name string, props map[string]string, change func(*etl.Table)) *story {
	cols := wideColumns()
	for i := range cols[2:] {
		cols[i+2].Sensitive = i%2 == 0 && cols[i+2].Name != "region" // partitions show their values
	}
	decl := etl.Table{
		Name: "mode." + name, Key: []string{"id"}, OrderBy: []string{"seq"}, Columns: cols, Properties: props,
		AllowEmpty: true,
	}
	if change != nil {
		change(&decl)
	}
	s := l.story(decl)
	s.filter = []string{"id", "ts", "s", "region"}
	return s
}

func byRegion(t *etl.Table) {
	t.Partition = []etl.PartitionField{{Column: "region", Transform: "identity"}}
}

// modes makes a table in each of the sink's modes, and looks whether it is.
func (l *lake) modes() {
	l.copyOnWrite()
	l.auto()
	l.version3()
	l.grouped()
	l.encodings()
	l.blooms()
	l.sorted()
}

func (l *lake) copyOnWrite() {
	for name, how := range map[string]struct {
		props  map[string]string
		change func(*etl.Table)
	}{
		"copy_on_write": {copied, nil}, "copy_on_write_region": {copied, byRegion},
		"copy_on_write_version3": {both, nil}, "copy_on_write_version3_region": {both, byRegion},
	} {
		s := l.moded(name, how.props, how.change)
		m := newMaker(201, s.decl.Columns, 400)
		s.full(m.fullLoad()...)
		first := s.files(iceberg.EntryContentData)
		s.changes(m.changeFile(100), m.changeFile(100))
		require.Empty(l.t, s.files(iceberg.EntryContentPosDeletes))
		s.check("1 changes")
		for range 3 {
			s.changes(m.changeFile(60))
		}
		require.Empty(l.t, s.files(iceberg.EntryContentPosDeletes))
		require.NotSubset(l.t, paths(s.files(iceberg.EntryContentData)), paths(first))
		if how.props["format-version"] == "3" {
			s.checkLineage(s.lineage(), "2 more changes")
			continue
		}
		s.check("2 more changes")
	}
}

// auto takes many rows from a file, which is written anew, and then few.
func (l *lake) auto() {
	s := l.moded("auto", either, nil)
	m := newMaker(202, s.decl.Columns, 400)
	s.full(m.fullLoad()...)
	s.changes(m.changeFile(500))
	require.Empty(l.t, s.files(iceberg.EntryContentPosDeletes))
	s.check("1 much is gone")
	s.changes(m.changeFile(20))
	require.NotEmpty(l.t, s.files(iceberg.EntryContentPosDeletes))
	s.check("2 little is gone")
}

func (l *lake) version3() {
	for name, change := range map[string]func(*etl.Table){"version3": nil, "version3_region": byRegion} {
		s := l.moded(name, version, change)
		m := newMaker(203, s.decl.Columns, 400)
		s.full(m.fullLoad()...)
		s.check("1 full load")
		s.changes(m.changeFile(100), m.changeFile(100))
		s.check("2 changes", deletionVectors)
		for range 3 {
			s.changes(m.changeFile(60))
		}
		s.check("3 more changes", deletionVectors)
		for _, f := range s.files(iceberg.EntryContentPosDeletes) {
			require.Equal(l.t, iceberg.PuffinFile, f.FileFormat())
		}
	}
}

// grouped makes tables of many data files, and loads that touch all of them.
func (l *lake) grouped() {
	buckets := func(t *etl.Table) {
		t.Partition = []etl.PartitionField{{Column: "id", Transform: "bucket", N: 2}}
	}
	for name, change := range map[string]func(*etl.Table){"grouped": nil, "grouped_buckets": buckets} {
		s := l.moded(name, nil, change)
		m := newMaker(204, s.decl.Columns, 420)
		s.full()
		for from := range int64(14) {
			var rows []etltest.Change
			for id := from * 30; id < from*30+30; id++ {
				rows = append(rows, etltest.Upsert(m.row(id)...))
			}
			s.changes(rows)
		}
		require.GreaterOrEqual(l.t, len(s.files(iceberg.EntryContentData)), 14)
		for n := range 2 {
			s.changes(m.changeFile(120))
			s.check(fmt.Sprintf("changes %d", n+1), groupedDeletes)
		}
		deletes := s.files(iceberg.EntryContentPosDeletes)
		require.NotEmpty(l.t, deletes)
		require.LessOrEqual(l.t, len(deletes), 4, "one for each load and partition")
		for _, f := range deletes {
			require.Nil(l.t, f.ReferencedDataFile())
		}
	}
}

// encodings makes tables whose declared readers take the newer encodings.
func (l *lake) encodings() {
	vectors := maps.Clone(newest)
	maps.Copy(vectors, version)
	for name, props := range map[string]map[string]string{"readers": newest, "readers_version3": vectors} {
		s := l.moded(name, props, nil)
		m := newMaker(205, s.decl.Columns, 3000)
		s.full(m.fullLoad()...)
		s.check("1 full load", newEncodings)
		s.changes(m.changeFile(500))
		features := []string{newEncodings}
		if props["format-version"] == "3" {
			features = append(features, deletionVectors)
		}
		s.check("2 changes", features...)
		used := s.used()
		require.Contains(l.t, used, parquet.Encodings.DeltaBinaryPacked)
		require.Contains(l.t, used, parquet.Encodings.ByteStreamSplit)
	}
}

func (l *lake) blooms() {
	props := map[string]string{}
	for _, col := range []string{"id", "s", "region", "u", "dec18", "ts", "bin"} {
		props["write.parquet.bloom-filter-enabled.column."+col] = "true"
	}
	s := l.moded("bloom", props, nil)
	s.filter = []string{"id", "s", "region", "u", "dec18", "ts", "bin"}
	m := newMaker(206, s.decl.Columns, 1500)
	s.full(m.fullLoad()...)
	s.changes(m.changeFile(300))
	s.check("changes", bloomFilters)
	filters := 0
	s.footers(func(c *parquetChunk) {
		if c.BloomFilterOffset() > 0 {
			filters++
		}
	})
	require.GreaterOrEqual(l.t, filters, 7)
	for _, enc := range s.used() { // without declared readers
		require.NotEqual(l.t, parquet.Encodings.DeltaBinaryPacked, enc)
		require.NotEqual(l.t, parquet.Encodings.ByteStreamSplit, enc)
	}
}

func (l *lake) sorted() {
	for name, change := range map[string]func(*etl.Table){"sorted": nil, "sorted_region": byRegion} {
		s := l.moded(name, nil, func(t *etl.Table) {
			t.Sort = []string{"day", "s"}
			if change != nil {
				change(t)
			}
		})
		m := newMaker(207, s.decl.Columns, 600)
		s.full(m.fullLoad()...)
		s.changes(m.changeFile(200))
		tbl, err := l.sink.Table(l.t.Context(), s.decl.Name)
		require.NoError(l.t, err)
		require.Equal(l.t, 2, tbl.SortOrder().Len())
		s.sort = s.decl.Sort
		s.check("changes")
	}
}

// maintained makes tables in every mode that are maintained as eagerly as can
// be, and then changed again.
func (l *lake) maintained() {
	for name, props := range map[string]map[string]string{
		"merge_on_read": nil, "copy_on_write": copied, "auto": either, "readers": newest,
		"version3": version, "copy_on_write_version3": both, "auto_version3": any3,
	} {
		s := l.moded("maintained_"+name, props, func(t *etl.Table) {
			byRegion(t)
			t.Sort = []string{"day"}
			t.Maintenance = etl.Maintenance{
				SmallFiles: 2, DeleteRatio: 0.05, DeleteFiles: 2, Manifests: 2, SnapshotAge: time.Millisecond, KeepSnapshots: 1,
			}
		})
		m := newMaker(208, s.decl.Columns, 300)
		s.full(m.fullLoad()...)
		for range 8 {
			s.changes(m.changeFile(50))
		}
		before := len(s.files(iceberg.EntryContentData))
		var lineage map[int64][2]int64
		if props["format-version"] == "3" {
			lineage = s.lineage()
		}
		time.Sleep(10 * time.Millisecond)
		rep, err := s.runner.Maintain(l.t.Context(), s.decl.Name)
		require.NoError(l.t, err)
		require.Positive(l.t, rep.RewrittenFiles)
		require.Positive(l.t, rep.ExpiredSnapshots)
		require.Less(l.t, len(s.files(iceberg.EntryContentData)), before)
		if props["format-version"] == "" {
			require.Positive(l.t, rep.MergedManifests)
		}
		s.sort = s.decl.Sort
		s.changedOnTop(m, lineage)
	}
}

// changedOnTop checks the table after its maintenance, and after changes to that.
// Lineage is that of its rows before, in format version 3.
func (s *story) changedOnTop(m *maker, lineage map[int64][2]int64) {
	files := [][]etltest.Change{m.changeFile(80), m.changeFile(20)}
	if lineage == nil {
		s.check("1 maintained")
		s.changes(files...)
		s.check("2 changes to that")
		return
	}
	s.checkLineage(lineage, "1 maintained")
	s.changes(files...)
	s.checkLineage(s.lineage(), "2 changes to that", s.vectors()...)
}

// files are the live files of the table.
func (s *story) files(content iceberg.ManifestEntryContent) (out []iceberg.DataFile) {
	tbl, err := s.sink.Table(s.t.Context(), s.decl.Name)
	require.NoError(s.t, err)
	fs, err := tbl.FS(s.t.Context())
	require.NoError(s.t, err)
	manifests, err := tbl.CurrentSnapshot().Manifests(fs)
	require.NoError(s.t, err)
	for _, m := range manifests {
		for e, err := range m.Entries(fs, true) {
			require.NoError(s.t, err)
			if e.DataFile().ContentType() == content {
				out = append(out, e.DataFile())
			}
		}
	}
	return out
}

func paths(files []iceberg.DataFile) (out []string) {
	for _, f := range files {
		out = append(out, f.FilePath())
	}
	return out
}

// used are the encodings in the table's data files.
func (s *story) used() (out []parquet.Encoding) {
	s.footers(func(c *parquetChunk) { out = append(out, c.Encodings()...) })
	return out
}

// footers visits the column chunks of the table's data files.
func (s *story) footers(visit func(*parquetChunk)) {
	for _, f := range s.files(iceberg.EntryContentData) {
		r, err := file.OpenParquetFile(f.FilePath(), false)
		require.NoError(s.t, err)
		for g := range r.NumRowGroups() {
			group := r.MetaData().RowGroup(g)
			for c := range group.NumColumns() {
				chunk, err := group.ColumnChunk(c)
				require.NoError(s.t, err)
				visit(chunk)
			}
		}
		require.NoError(s.t, r.Close())
	}
}
