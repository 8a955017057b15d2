package etltest

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// difference applies a full load that is committed as a difference.
func (s *sinkTest) difference(text string) etl.Receipt {
	s.Helper()
	load := s.load(etl.Full, text)
	load.Difference = true
	return s.apply(load)
}

func sinkDifference(s *sinkTest) {
	r := s.difference("1,Ann,1\n2,Bob,2\n")
	require.Equal(s, etl.Counts{Read: 2, Inserted: 2, RowsAfter: 2}, r.Counts, "the first load of an empty table")
	s.change("U,,1,Anne,5\nI,,3,Cy,5\nI,,4,Di,5\n")
	r = s.difference("1,Anne,5\n3,Cyd,5\n5,Eve,9\n5,Eva,9\n")
	require.Equal(s, etl.Counts{
		Read: 4, Inserted: 1, Updated: 1, Unchanged: 1, Superseded: 1, RemovedAsAbsent: 2, RowsBefore: 4, RowsAfter: 3,
	}, r.Counts)
	s.want(row(1, "Anne", 5), row(3, "Cyd", 5), row(5, "Eva", 9))
	r = s.difference("1,Anne,5\n3,Cyd,5\n5,Eva,9\n")
	require.Equal(s, etl.Counts{Read: 3, Unchanged: 3, RowsBefore: 3, RowsAfter: 3}, r.Counts)
	r = s.difference("")
	require.Equal(s, etl.Counts{RemovedAsAbsent: 3, RowsBefore: 3}, r.Counts)
	s.want()
}

// Any change beats a row of the epoch's full load, also one that was in the table
// before it; and what was remembered of deleted keys is forgotten.
func sinkDifferenceOpensEpoch(s *sinkTest) {
	s.change("I,,1,Ann,10\nI,,2,Bob,10\nI,,3,Cy,10\n")
	s.change("D,,3,,11\n")
	s.difference("1,Ann,10\n2,Bea,10\n")
	r := s.change("U,,1,older,1\nU,,2,older,1\nI,,3,older,1\n")
	require.Equal(s, etl.Counts{Read: 3, Updated: 2, Inserted: 1, RowsBefore: 2, RowsAfter: 3}, r.Counts)
	r = s.change("U,,1,late,0\n")
	require.EqualValues(s, 1, r.Counts.Superseded)
	s.want(row(1, "older", 1), row(2, "older", 1), row(3, "older", 1))
}

func sinkDifferenceManyParts(s *sinkTest) {
	s.budget = 20_000
	var before, after []byte
	var want [][]any
	for i := range 3000 {
		before = fmt.Appendf(before, "%d,n%d,\n", i, i)
		switch i % 10 {
		case 1:
			after = fmt.Appendf(after, "%d,m%d,\n", i, i)
			want = append(want, row(i, fmt.Sprintf("m%d", i), nil))
		case 2:
			after = fmt.Appendf(after, "%d,k%d,\n", i+10_000, i)
			want = append(want, row(i+10_000, fmt.Sprintf("k%d", i), nil))
		default:
			after = fmt.Appendf(after, "%d,n%d,\n", i, i)
			want = append(want, row(i, fmt.Sprintf("n%d", i), nil))
		}
	}
	s.full(string(before))
	r := s.difference(string(after))
	require.Equal(s, etl.Counts{
		Read: 3000, Inserted: 300, Updated: 300, Unchanged: 2400, RemovedAsAbsent: 300, RowsBefore: 3000, RowsAfter: 3000,
	}, r.Counts)
	s.want(want...)
}

// Of each pair of values the test says whether it is a difference.
func sinkDifferenceOfValues(s *sinkTest) {
	s.table.Columns = etl.Columns{{Name: "id", Type: etl.Int}}
	names := []string{"id"}
	for i, t := range []etl.Type{
		etl.Bool, etl.Long, etl.Float, etl.Double, etl.Decimal(9, 2), etl.Decimal(38, 10),
		etl.Date, etl.Timestamp, etl.TimestampTZ, etl.String, etl.Binary, etl.UUID,
	} {
		name := fmt.Sprintf("c%02d", i)
		s.table.Columns, names = append(s.table.Columns, etl.Column{Name: name, Type: t}), append(names, name)
	}
	s.table.OrderBy, s.table.OldKey, s.table.Op = nil, nil, etl.OpColumn{Column: "op"}
	s.table.Format = format.CSV{FullColumns: names, ChangeColumns: append([]string{"op"}, names...), Null: "NULL"}
	const nulls = "NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL"
	const some = "true,-7,1.5,NaN,-12.30,1234567890123456789012345678.0123456789,2024-02-29,2024-02-29 23:59:59.123456,2024-02-29T23:59:59.5-05:00,é,AP8=,00112233-4455-6677-8899-aabbccddeeff"
	const alike = "true,-7,1.50,NaN,-12.3,1234567890123456789012345678.012345678900,2024-02-29,2024-02-29T23:59:59.123456,2024-03-01T04:59:59.5Z,é,AP8=,00112233-4455-6677-8899-AABBCCDDEEFF"
	const empty = `""` // unquoted it is null
	zeros := func(double, text string) string {
		return "false,0,0," + double + ",0,0,1970-01-01,1970-01-01 00:00:00,1970-01-01T00:00:00Z," + text + ",,00000000-0000-0000-0000-000000000000"
	}
	s.full("1," + nulls + "\n2," + some + "\n3," + zeros("0", empty) + "\n4," + zeros("0", empty) + "\n5," + zeros("0", "NULL") + "\n6," + nulls + "\n")
	r := s.difference("1," + nulls + "\n2," + alike + "\n3," + zeros("0", empty) + "\n4," + zeros("-0", empty) + "\n5," + zeros("0", empty) + "\n6," + zeros("0", empty) + "\n")
	require.Equal(s, etl.Counts{Read: 6, Unchanged: 3, Updated: 3, RowsBefore: 6, RowsAfter: 6}, r.Counts)
}

func sinkDifferenceRaces(s *sinkTest) {
	s.full("1,Ann,\n2,Bob,\n")
	load := s.load(etl.Full, "1,Ann,\n2,Bea,\n3,Cy,\n")
	load.Difference = true
	made := 0
	for _, r := range s.together(load, load, load) {
		if !r.Found {
			made++
		}
		require.NoError(s, load.Check(r.Counts))
	}
	require.Equal(s, 1, made, "one commit, and two that find it")
	s.want(row(1, "Ann", nil), row(2, "Bea", nil), row(3, "Cy", nil))
}
