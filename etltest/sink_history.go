package etltest

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// history makes the table one that keeps all versions of a key, ordered by time.
func (s *sinkTest) history() {
	s.table.Mode, s.table.FullLoads = etl.ModeHistory, etl.FullReplace
	s.table.Columns[2].Type = etl.TimestampTZ
}

// second is a time before any file of the suite landed, as text; open stands for none.
func (s *sinkTest) second(n int) any {
	if n == open {
		return nil
	}
	return fmt.Sprintf("2023-11-14 10:00:%02d", n)
}

const open = -1

// lines writes records whose last field is a second.
func (s *sinkTest) lines(records ...[]any) string {
	var b strings.Builder
	for _, r := range records {
		for _, cell := range r[:len(r)-1] {
			fmt.Fprintf(&b, "%v,", cell)
		}
		if at := s.second(r[len(r)-1].(int)); at != nil {
			fmt.Fprintf(&b, "%vZ", at)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// version is a row of a history table whose order is its beginning.
func (s *sinkTest) version(id int, name any, from, to int) []any {
	return s.versionOf(id, name, from, from, to, false)
}

func (s *sinkTest) deletedVersion(id int, name any, from, to int) []any {
	return s.versionOf(id, name, from, from, to, true)
}

func (s *sinkTest) versionOf(id int, name any, order, from, to int, deleted bool) []any {
	return row(id, name, s.second(order), s.second(from), s.second(to), to == open, deleted)
}

func sinkHistory(s *sinkTest) {
	s.history()
	r := s.full(s.lines(row(1, "Ann", 1), row(2, "Bob", 1)))
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RowsAfter: 2}, r.Counts)
	r = s.change(s.lines(row("U", "", 1, "Anne", 5), row("D", "", 2, "", 5), row("I", "", 3, "Cy", 5), row("D", "", 9, "", 5)))
	require.Equal(s, etl.Counts{Read: 4, Inserted: 3, Unchanged: 1, RowsBefore: 2, RowsAfter: 5}, r.Counts)

	late := s.load(etl.Incremental, s.lines(row("U", "", 1, "late", 3), row("U", "", 1, "ANNE", 5), row("D", "", 1, "", 9),
		row("U", "", 9, "below its tombstone", 4)))
	r = s.apply(late)
	require.Equal(s, etl.Counts{Read: 4, Inserted: 2, Updated: 1, Superseded: 1, RowsBefore: 5, RowsAfter: 7}, r.Counts)
	require.True(s, s.apply(late).Found)

	r = s.change(s.lines(row("U", 3, 4, "<none>", 7), row("U", "", 1, "<none>", 4)))
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RemovedAsOldKey: 1, RowsBefore: 7, RowsAfter: 10}, r.Counts)
	want := []([]any){
		s.version(1, "Ann", 1, 3), s.version(1, "late", 3, 4), s.version(1, "late", 4, 5), s.version(1, "ANNE", 5, 9), s.deletedVersion(1, "ANNE", 9, open),
		s.version(2, "Bob", 1, 5), s.deletedVersion(2, "Bob", 5, open),
		s.version(3, "Cy", 5, 7), s.deletedVersion(3, "Cy", 7, open), s.version(4, "Cy", 7, open),
	}
	s.want(want...)
	_, err := s.try(s.Context(), s.load(etl.Incremental, s.lines(row("U", "", 1, "no order", open))))
	var re *etl.RowError
	require.ErrorAs(s, err, &re)
	s.want(want...)
}

// Each load finds, closes and replaces rows of one key among many, which stand in
// several files.
func sinkHistoryManyVersions(s *sinkTest) {
	s.history()
	var others []([]any)
	for i := range 50 {
		others = append(others, row("I", "", 100+i, "other", 0))
	}
	s.change(s.lines(others...))
	const loads, each = 6, 9
	for i := range loads {
		var records []([]any)
		for j := range each {
			n := i + j*loads
			records = append(records, row("U", "", 1, fmt.Sprint("v", n), n))
		}
		r := s.change(s.lines(records...))
		require.Equal(s, int64(each), r.Counts.Inserted)
	}
	r := s.change(s.lines(row("U", "", 1, "again", 20), row("D", "", 1, "", 30), row("U", "", 149, "x", 3), row("U", "", 1, "last", loads*each)))
	require.Equal(s, etl.Counts{Read: 4, Inserted: 3, Updated: 1, RowsBefore: 104, RowsAfter: 107}, r.Counts)

	var want []([]any)
	for i := range 49 {
		want = append(want, s.version(100+i, "other", 0, open))
	}
	want = append(want, s.version(149, "other", 0, 3), s.version(149, "x", 3, open), s.version(1, "last", loads*each, open))
	for n := range loads * each {
		switch n {
		case 20:
			want = append(want, s.version(1, "again", n, n+1))
		case 30:
			want = append(want, s.version(1, "v30", n, n), s.deletedVersion(1, "v30", n, n+1))
		default:
			want = append(want, s.version(1, fmt.Sprint("v", n), n, n+1))
		}
	}
	s.want(want...)
}

// So many keys that they are settled in partitions.
func sinkHistoryManyParts(s *sinkTest) {
	s.history()
	s.budget = 20_000
	s.table.OldKey = nil
	var full, changes, late []([]any)
	var want []([]any)
	for i := range 1000 {
		full = append(full, row(i, "a", 1))
		changes = append(changes, row("U", "", i, "c", 5))
		late = append(late, row("U", "", i, "b", 3))
		want = append(want, s.version(i, "a", 1, 3), s.version(i, "b", 3, 5), s.version(i, "c", 5, open))
	}
	s.full(s.lines(full...))
	s.change(s.lines(changes...))
	r := s.change(s.lines(late...))
	require.Equal(s, etl.Counts{Read: 1000, Inserted: 1000, RowsBefore: 2000, RowsAfter: 3000}, r.Counts)
	s.want(want...)
}

// Whichever load is first, the versions are the same.
func sinkHistoryRaces(s *sinkTest) {
	s.history()
	s.full(s.lines(row(1, "base", 0), row(2, "base", 0)))
	var loads []etl.Load
	want := []([]any){s.version(1, "base", 0, 1), s.version(2, "base", 0, 1)}
	for i := 1; i <= 4; i++ {
		name := fmt.Sprint("v", i)
		loads = append(loads, s.load(etl.Incremental, s.lines(row("U", "", 1, name, i), row("U", "", 2, name, i))))
		to := i + 1
		if i == 4 {
			to = open
		}
		want = append(want, s.version(1, name, i, to), s.version(2, name, i, to))
	}
	s.together(append(loads, loads[1])...)
	s.want(want...)
}

func sinkHistoryFullLoads(s *sinkTest) {
	s.history()
	s.full(s.lines(row(1, "Ann", 1), row(2, "Bob", 1), row(3, "Cy", 1)))
	s.change(s.lines(row("U", "", 1, "Anne", 5), row("D", "", 2, "", 5), row("D", "", 8, "", 9)))

	load := s.load(etl.Full, s.lines(row(1, "Anne", 5), row(4, "Di", 2), row(4, "old", 1)))
	load.Difference = true
	r := s.apply(load)
	require.Equal(s, etl.Counts{Read: 3, Inserted: 1, Unchanged: 1, Superseded: 1, RemovedAsAbsent: 1, RowsBefore: 5, RowsAfter: 7}, r.Counts)
	landed := load.Files[0].ModTime
	others := []([]any){
		s.version(2, "Bob", 1, 5), s.deletedVersion(2, "Bob", 5, open), s.version(4, "Di", 2, open),
		row(3, "Cy", s.second(1), s.second(1), landed, false, false), row(3, "Cy", s.second(1), landed, nil, true, true),
	}
	s.want(append([]([]any){s.version(1, "Ann", 1, 5), s.version(1, "Anne", 5, open)}, others...)...)

	r = s.change(s.lines(row("U", "", 1, "above the full load", 2), row("I", "", 8, "forgotten", 1)))
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RowsBefore: 7, RowsAfter: 9}, r.Counts)
	s.want(append([]([]any){
		s.version(1, "Ann", 1, 2), s.versionOf(1, "Anne", 5, 2, 2, false), s.version(1, "above the full load", 2, open), s.version(8, "forgotten", 1, open),
	}, others...)...)

	r = s.full(s.lines(row(1, "New", 3)))
	require.Equal(s, etl.Counts{Read: 1, Inserted: 1, RowsBefore: 9, RowsAfter: 1}, r.Counts)
	s.want(s.version(1, "New", 3, open))
}

// Without ordering columns versions follow each other as their files do, and are of
// the times at which these landed.
func sinkHistoryWithoutOrder(s *sinkTest) {
	s.history()
	s.table.OrderBy = nil
	full := s.load(etl.Full, "1,Ann,\n")
	s.apply(full)
	first := s.load(etl.Incremental, "U,,1,a,\nU,,1,b,\nD,,1,,\nD,,2,,\n")
	r := s.apply(first)
	require.Equal(s, etl.Counts{Read: 4, Inserted: 3, Unchanged: 1, RowsBefore: 1, RowsAfter: 4}, r.Counts)
	second := s.load(etl.Incremental, "D,,1,,\nI,,1,c,\n")
	r = s.apply(second)
	require.Equal(s, etl.Counts{Read: 2, Inserted: 1, Unchanged: 1, RowsBefore: 4, RowsAfter: 5}, r.Counts)
	zero, one, two := full.Files[0].ModTime, first.Files[0].ModTime, second.Files[0].ModTime
	s.want(row(1, "Ann", nil, zero, one, false, false), row(1, "a", nil, one, one, false, false), row(1, "b", nil, one, one, false, false),
		row(1, "b", nil, one, two, false, true), row(1, "c", nil, two, nil, true, false))
}
