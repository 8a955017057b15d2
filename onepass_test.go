package etl_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
)

// countingSink counts the attempts.
type countingSink struct {
	etl.Sink
	applied int
}

func (s *countingSink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	s.applied++
	return s.Sink.Apply(ctx, target, load, changes)
}

func TestFullLoadsInOnePass(t *testing.T) {
	for name, x := range map[string]struct {
		csv      string
		attempts int
		rows     []string
		counts   etl.Counts
		err      string
	}{
		"keys rise": {
			"-3,Ann,\n-1,Bob,\n2,Cy,\n", 1, []string{"-1,Bob,-", "-3,Ann,-", "2,Cy,-"}, etl.Counts{Read: 3, Inserted: 3, RowsAfter: 3}, ""},
		"a key twice": {
			"1,Ann,\n2,Bob,\n2,Ben,\n", 2, []string{"1,Ann,-", "2,Ben,-"}, etl.Counts{Read: 3, Inserted: 2, Superseded: 1, RowsAfter: 2}, ""},
		"keys fall": {
			"2,Bob,\n1,Ann,\n", 2, []string{"1,Ann,-", "2,Bob,-"}, etl.Counts{Read: 2, Inserted: 2, RowsAfter: 2}, ""},
		"null key":  {"1,Ann,\n,Bob,\n", 1, nil, etl.Counts{}, "row 2 of hr/people/LOAD00000001.csv: column id: key is null"},
		"bad value": {"1,Ann,\n2,Bob,x\n", 1, nil, etl.Counts{}, "row 2 of hr/people/LOAD00000001.csv: column seq"},
		"no rows":   {"", 1, nil, etl.Counts{}, "file has no rows"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, people())
			s := &countingSink{Sink: p.sink}
			p.config.Sink = s
			p.restart()
			p.land("hr/people/LOAD00000001.csv", x.csv)
			rep, err := p.runner.Ingest(context.Background())
			require.Equal(t, x.attempts, s.applied)
			if x.err != "" {
				require.ErrorContains(t, err, x.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, x.rows, p.rows("hr.people"))
			require.Equal(t, x.counts, rep.Tables[0].Loads[0].Receipt.Counts)
		})
	}
}

// Files of several chunks: the order breaks between two of them, and the row of
// a mistake is counted from the start of the file.
func TestOnePassOverManyChunks(t *testing.T) {
	const n = 60_000
	var rising strings.Builder
	for i := range n {
		fmt.Fprintf(&rising, "%d,%s,%d\n", i, strings.Repeat("x", 30), i)
	}
	for name, x := range map[string]struct {
		more     string
		attempts int
		err      string
	}{
		"rising":         {fmt.Sprintf("%d,end,\n", n), 1, ""},
		"broken late":    {"7,again,\n", 2, ""},
		"mistake late":   {fmt.Sprintf("%d,end,x\n", n), 1, fmt.Sprintf("row %d of hr/people/LOAD00000001.csv: column seq", n+1)},
		"null key late":  {",end,1\n", 1, fmt.Sprintf("row %d of hr/people/LOAD00000001.csv: column id", n+1)},
		"too few fields": {"1\n", 1, fmt.Sprintf("row %d", n+1)},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipeline(t, people())
			s := &countingSink{Sink: p.sink}
			p.config.Sink = s
			p.restart()
			p.land("hr/people/LOAD00000001.csv", rising.String()+x.more)
			rep, err := p.runner.Ingest(context.Background())
			require.Equal(t, x.attempts, s.applied)
			if x.err != "" {
				require.ErrorContains(t, err, x.err)
				return
			}
			require.NoError(t, err)
			c := rep.Tables[0].Loads[0].Receipt.Counts
			require.EqualValues(t, n+1, c.Read)
			require.EqualValues(t, x.attempts-1, c.Superseded)
		})
	}
}

// A transform drops rows.
func TestOnePassWithFilters(t *testing.T) {
	table := people()
	table.Transforms = []etl.Transformer{even{new(atomic.Int64)}}
	p := newPipeline(t, table)
	s := &countingSink{Sink: p.sink}
	p.config.Sink = s
	p.restart()
	p.land("hr/people/LOAD00000001.csv", "1,Ann,\n2,Bo,\n3,Cyd,\n4,Di,\n")
	rep, err := p.runner.Ingest(context.Background())
	require.NoError(t, err)
	require.Equal(t, 1, s.applied)
	require.Equal(t, []string{"2,Bo,-", "4,Di,-"}, p.rows("hr.people"))
	require.Equal(t, etl.Counts{Read: 4, Inserted: 2, Filtered: 2, RowsAfter: 2}, rep.Tables[0].Loads[0].Receipt.Counts)
}
