package etltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// sinkScan reads single columns of a table whose rows were replaced and deleted.
func sinkScan(s *sinkTest) {
	ctx := context.Background()
	for _, err := range s.sink.Scan(ctx, "conformance.nobody") {
		require.NoError(s, err)
		require.Fail(s, "rows of a table that is not there")
	}
	var text string
	for i := range 100 {
		text += fmt.Sprintf("%d,n%d,\n", i, i)
	}
	s.full(text)
	s.change("U,,1,Anne,5\nD,,2,,\nI,,200,,5\n")
	for _, columns := range [][]string{{"name"}, {"seq", "id"}, nil} {
		seen, nulls := map[string]int{}, 0
		for batch, err := range s.sink.Scan(ctx, s.table.Name, columns...) {
			require.NoError(s, err)
			for _, name := range columns {
				require.Len(s, batch.Schema().FieldIndices(name), 1)
			}
			if len(columns) != 1 {
				countCells(s, batch, "id", seen)
				continue
			}
			nulls += countCells(s, batch, "name", seen)
		}
		want, wantNulls := 100, 0
		if len(columns) == 1 {
			require.Equal(s, 1, seen["Anne"])
			require.Zero(s, seen["n1"]+seen["n2"], "rows that are gone")
			want, wantNulls = 99, 1
		}
		require.Len(s, seen, want)
		require.Equal(s, wantNulls, nulls)
	}
	for range s.sink.Scan(ctx, s.table.Name) {
		break // nothing hangs
	}
}

// countCells counts the cells of a column by their text, and returns how many are null.
func countCells(s *sinkTest, batch arrow.RecordBatch, column string, into map[string]int) (nulls int) {
	col := batch.Column(batch.Schema().FieldIndices(column)[0])
	for i := range col.Len() {
		if v := Cell(col, i); v == nil {
			nulls++
		} else {
			into[v.(string)]++
		}
	}
	return nulls
}

// statement is a check that says what it is told to, at the end.
type statement struct{ err error }

func (v statement) Name() string { return "verdict" }

func (v statement) Begin(context.Context, etl.CheckScope) (etl.Checker, error) { return v, nil }

func (v statement) Rows(context.Context, arrow.RecordBatch) ([]int, error) { return nil, nil }

func (v statement) Verdict(_ context.Context, counts etl.Counts) (etl.Verdict, error) {
	return etl.Verdict{Finding: fmt.Sprintf("%d rows", counts.Read), Column: "name"}, v.err
}

// sinkVerdicts: what the checks found is kept with the load.
func sinkVerdicts(s *sinkTest) {
	s.table.Checks = []etl.TableCheck{{Check: statement{}, Action: etl.CheckWarn}}
	for _, budget := range []int64{0, 1} {
		s.budget = budget
		s.full("1,Ann,\n2,Bob,\n")
		load := s.load(etl.Incremental, "U,,1,Anne,5\nD,,2,,\nI,,3,Cy,5\n")
		want := []etl.Checked{{Check: "verdict", Action: etl.CheckWarn, Verdict: etl.Verdict{Finding: "3 rows", Column: "name"}}}
		require.Equal(s, want, s.apply(load).Checks)
		found, ok, err := s.sink.Applied(context.Background(), s.target(), load.ID)
		require.NoError(s, err)
		require.True(s, ok)
		require.Equal(s, want, found.Checks)
	}
}

// sinkHeldBack: a check that does not hold, or fails, after the last row keeps the load
// out of the table.
func sinkHeldBack(s *sinkTest) {
	s.full("1,Ann,\n2,Bob,\n")
	for _, kind := range []etl.LoadKind{etl.Full, etl.Incremental} {
		for _, budget := range []int64{0, 1} {
			for _, broken := range []error{nil, errors.New("cannot say")} {
				s.budget = budget
				s.table.Checks = []etl.TableCheck{{Check: statement{broken}}}
				load := s.load(kind, map[etl.LoadKind]string{etl.Full: "1,Zoe,\n3,Cy,\n", etl.Incremental: "U,,1,Zoe,5\nD,,2,,\n"}[kind])
				_, err := s.try(context.Background(), load)
				if broken == nil {
					require.EqualError(s, err, "check verdict: 2 rows")
					require.Equal(s, etl.Terminal, etl.OutcomeOf(err))
				} else {
					require.ErrorIs(s, err, broken)
				}
				_, found, err := s.sink.Applied(context.Background(), s.target(), load.ID)
				require.NoError(s, err)
				require.False(s, found)
				s.want(row(1, "Ann", nil), row(2, "Bob", nil))
				if kind == etl.Full {
					s.epoch-- // the load never was
				}
			}
		}
	}
}
