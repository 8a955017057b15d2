package etltest

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// append makes the table one of rows without keys.
func (s *sinkTest) append() {
	s.table.Mode, s.table.Key, s.table.OrderBy, s.table.OldKey = etl.ModeAppend, nil, nil, nil
	s.table.TombstoneRetention = -1
}

func sinkAppend(s *sinkTest) {
	s.append()
	r := s.full("1,Ann,\n1,Ann,\n")
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RowsAfter: 2}, r.Counts)
	r = s.change("I,,1,Ann,\nU,,2,<none>,7\n")
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RowsBefore: 2, RowsAfter: 4}, r.Counts)
	s.want(row(1, "Ann", nil), row(1, "Ann", nil), row(1, "Ann", nil), row(2, nil, 7))

	again := s.load(etl.Incremental, "I,,3,Cy,\n")
	s.apply(again)
	require.True(s, s.apply(again).Found, "each row once")
	_, err := s.try(context.Background(), s.load(etl.Incremental, "I,,4,Di,\nD,,1,Ann,\n"))
	var re *etl.RowError
	require.ErrorAs(s, err, &re)
	require.EqualValues(s, 2, re.Row)
	s.want(row(1, "Ann", nil), row(1, "Ann", nil), row(1, "Ann", nil), row(2, nil, 7), row(3, "Cy", nil))

	r = s.full("5,Eve,\n")
	require.Equal(s, etl.Counts{Read: 1, Inserted: 1, RowsBefore: 5, RowsAfter: 1}, r.Counts)
	s.want(row(5, "Eve", nil))
}

func sinkAppendRaces(s *sinkTest) {
	s.append()
	s.full("1,a,\n")
	var loads []etl.Load
	want := []([]any){row(1, "a", nil)}
	for i := range 4 {
		l := s.load(etl.Incremental, fmt.Sprintf("I,,%d,x,\nI,,%d,x,\n", i, i))
		loads = append(loads, l, l)
		want = append(want, row(i, "x", nil), row(i, "x", nil))
	}
	made := 0
	for _, r := range s.together(loads...) {
		if !r.Found {
			made++
		}
	}
	require.Equal(s, 4, made, "one commit of each load")
	s.want(want...)
}

func sinkSoftDelete(s *sinkTest) {
	s.table.Mode = etl.ModeSoftDelete
	s.full("1,Ann,\n2,Bob,\n3,Cy,\n")
	first := s.load(etl.Incremental, "D,,1,,5\nD,,9,,5\nU,2,4,<none>,6\n")
	r := s.apply(first)
	require.Equal(s, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Unchanged: 1, RowsBefore: 3, RowsAfter: 4}, r.Counts)
	at := first.Files[0].ModTime
	s.want(row(1, "Ann", nil, true, at), row(2, "Bob", nil, true, at), row(3, "Cy", nil, false, nil), row(4, "Bob", 6, false, nil))

	r = s.change("U,,1,late,4\nU,,9,late,4\nU,,2,Bea,6\n")
	require.Equal(s, etl.Counts{Read: 3, Updated: 1, Superseded: 2, RowsBefore: 4, RowsAfter: 4}, r.Counts)
	s.want(row(1, "Ann", nil, true, at), row(2, "Bea", 6, false, nil), row(3, "Cy", nil, false, nil), row(4, "Bob", 6, false, nil))

	second := s.load(etl.Incremental, "U,,1,<none>,5\nI,,8,Hal,1\nD,,8,,\nU,,4,<none>,7\nD,,4,,8\nU,,4,older,7\n")
	r = s.apply(second)
	require.Equal(s, etl.Counts{Read: 6, Inserted: 1, Updated: 2, Superseded: 3, RowsBefore: 4, RowsAfter: 5}, r.Counts)
	then := second.Files[0].ModTime
	s.want(row(1, "Ann", 5, false, nil), row(2, "Bea", 6, false, nil), row(3, "Cy", nil, false, nil),
		row(4, "Bob", 7, true, then), row(8, "Hal", 1, true, then))

	s.full("1,New,\n")
	s.want(row(1, "New", nil, false, nil))
}

// A delete and what came before it in its load are as good as two loads.
func sinkSoftDeleteInOne(s *sinkTest) {
	s.table.Mode = etl.ModeSoftDelete
	s.table.Columns[2].Type = etl.TimestampTZ
	s.full("1,Ann,\n")
	s.change("U,,1,Anne,2024-02-20T10:00:00Z\nD,,1,,2024-02-20T11:00:00Z\nI,,2,Bob,2024-02-20T10:00:00Z\n")
	s.change("D,,2,,2024-02-20T12:00:00Z\n")
	s.want(row(1, "Anne", "2024-02-20 10:00:00", true, "2024-02-20 11:00:00"), row(2, "Bob", "2024-02-20 10:00:00", true, "2024-02-20 12:00:00"))
}
