//go:build interop

package interop

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// kinds makes tables that keep every row, tables that mark deleted rows, tables that
// keep all versions of a key, and tables whose full loads are committed as differences.
func (l *lake) kinds() {
	for name, props := range map[string]map[string]string{"": nil, "_version3": version, "_copy_on_write": copied} {
		l.soft("soft_delete"+name, props)
		l.versions("history"+name, props)
		l.difference("difference"+name, props)
	}
	l.appending("append", nil)
	l.appending("append_version3", version)
}

// appending fills a table without a key, and has a full load replace it.
func (l *lake) appending(name string, props map[string]string) {
	s := l.moded(name, props, func(t *etl.Table) {
		byRegion(t)
		t.Mode, t.Key, t.OrderBy = etl.ModeAppend, nil, nil
	})
	m := newMaker(208, s.decl.Columns, 100)
	more := func(n int) (rows []etltest.Change) {
		for range n {
			rows = append(rows, etltest.Upsert(m.row(m.Int64N(50))...))
		}
		return append(rows, rows[:n/2]...)
	}
	s.full(more(100)...)
	s.check("1 full load")
	s.changes(more(40), more(40))
	s.changes(more(20))
	require.Len(l.t, s.model.Rows(), 300)
	require.Empty(l.t, s.files(iceberg.EntryContentPosDeletes))
	s.check("2 changes")
	s.full(more(60)...)
	s.changes(more(20))
	s.check("3 full load again")
}

// soft marks rows, clears marks, and moves rows of changed keys.
func (l *lake) soft(name string, props map[string]string) {
	s := l.moded(name, props, func(t *etl.Table) { t.Mode = etl.ModeSoftDelete })
	s.filter = append(s.filter, "is_deleted", "deleted_at")
	m := newMaker(209, s.decl.Columns, 300)
	s.full(m.fullLoad()...)
	s.check("1 full load")
	s.changes(m.changeFile(80), m.changeFile(80))
	before := s.marked()
	require.NotEmpty(l.t, before)
	s.checkKeyed("2 changes")
	s.changes(m.changeFile(200))
	require.NotSubset(l.t, s.marked(), before, "no mark was cleared")
	s.checkKeyed("3 more changes")
}

// versions closes versions, puts late ones between others, and has a full load add to
// what there is.
func (l *lake) versions(name string, props map[string]string) {
	s := l.moded(name, props, func(t *etl.Table) { t.Mode, t.FullLoads = etl.ModeHistory, etl.FullDifference })
	s.filter = append(s.filter, "valid_from", "valid_to", "is_current", "is_deleted")
	m := newMaker(211, s.decl.Columns, 150)
	rows := m.fullLoad()
	s.full(rows...)
	s.changes(m.changeFile(80), m.changeFile(80))
	before := len(s.model.Rows())
	require.Greater(l.t, before, 200)
	s.check("1 changes", s.vectors()...)
	s.full(m.nearly(rows, 0)...)
	s.changes(m.changeFile(80))
	require.Greater(l.t, len(s.model.Rows()), before+80)
	s.check("2 full load again", s.vectors()...)
}

// marked are the keys of the rows that are marked as deleted.
func (s *story) marked() (keys []any) {
	for _, row := range s.model.Rows() {
		if row[len(s.decl.Columns)] == "true" {
			keys = append(keys, row[0])
		}
	}
	return keys
}

// difference commits full loads of which most rows are in the table.
func (l *lake) difference(name string, props map[string]string) {
	s := l.moded(name, props, func(t *etl.Table) { t.FullLoads = etl.FullDifference })
	m := newMaker(210, s.decl.Columns, 300)
	rows := m.fullLoad()
	s.full(rows...)
	first := paths(s.files(iceberg.EntryContentData))
	for n := range 2 {
		rows = m.nearly(rows, n)
		s.fullKeeping(200, rows)
		if props[writeMode] == "" {
			require.Subset(l.t, paths(s.files(iceberg.EntryContentData)), first, "rows that are the same stay where they are")
		}
		s.checkKeyed(fmt.Sprintf("%d full load again", 2*n+1))
		s.changes(m.changeFile(40))
		s.checkKeyed(fmt.Sprintf("%d changes", 2*n+2))
	}
}

// fullKeeping has a full load applied, after which at least so many rows must be the
// same and, where the format has ids of rows, have their ids and times of change.
func (s *story) fullKeeping(least int, rows []etltest.Change) {
	before, ids := s.byKey(), map[int64][2]int64{}
	third := s.decl.Properties["format-version"] == "3"
	if third {
		ids = s.lineage()
	}
	s.full(rows...)
	now := map[int64][2]int64{}
	if third {
		now = s.lineage()
	}
	same := 0
	for key, row := range s.byKey() {
		if slices.Equal(row, before[key]) {
			same++
			require.Equal(s.t, ids[key], now[key])
		}
	}
	require.GreaterOrEqual(s.t, same, least)
}

// byKey are the rows that the table must hold.
func (s *story) byKey() map[int64][]any {
	out := map[int64][]any{}
	for _, row := range s.model.Rows() {
		key, err := strconv.ParseInt(row[0].(string), 10, 64)
		require.NoError(s.t, err)
		out[key] = row
	}
	return out
}

// checkKeyed is check, with the ids of rows where the format has them.
func (s *story) checkKeyed(stage string) {
	if s.decl.Properties["format-version"] == "3" {
		s.checkLineage(s.lineage(), stage, s.vectors()...)
		return
	}
	s.check(stage, s.vectors()...)
}

// nearly is a full load like another one, with some keys gone, new and changed.
func (m *maker) nearly(rows []etltest.Change, round int) []etltest.Change {
	id := func(c etltest.Change) int64 { return c.Values[0].(int64) }
	out := slices.DeleteFunc(slices.Clone(rows), func(c etltest.Change) bool { return id(c)%17 == int64(round) })
	for i, c := range out {
		if id(c)%13 == int64(round) {
			out[i] = etltest.Upsert(m.row(id(c))...)
		}
	}
	for i := range 20 {
		out = append(out, etltest.Upsert(m.row(int64(1000*(round+1)+i))...))
	}
	return out
}

// vectors is the feature of tables with deletion vectors, if this is one.
func (s *story) vectors() []string {
	for _, f := range s.files(iceberg.EntryContentPosDeletes) {
		if f.FileFormat() == iceberg.PuffinFile {
			return []string{deletionVectors}
		}
	}
	return nil
}
