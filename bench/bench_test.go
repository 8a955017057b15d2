package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/bench/gen"
)

// expectedRows is the first of the sums that expect prints.
func expectedRows(t *testing.T, s gen.Spec) int64 {
	text, err := json.Marshal(s)
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, expectCommand(t.Context(), []string{string(text)}, &out))
	var sums []string
	require.NoError(t, json.Unmarshal(out.Bytes(), &sums))
	n, ok := new(big.Int).SetString(sums[0], 10)
	require.True(t, ok)
	return n.Int64()
}

// TestLoadsOfARestoredLake does what a measured pair does, in this process: the
// same changes, as CSV and made on the fly, on two copies of one lake.
func TestLoadsOfARestoredLake(t *testing.T) {
	c := &cache{dir: t.TempDir()}
	require.NoError(t, os.MkdirAll(filepath.Join(c.dir, "data"), 0o755))
	d := orders()
	spec := func(s gen.Spec) []byte {
		b, err := json.Marshal(s)
		require.NoError(t, err)
		return b
	}
	require.NoError(t, c.land(d, []landed{{name: "LOAD00000001.csv", content: spec(gen.Spec{Seed: 1, Base: 2_000}), at: fullLanded}}))
	rep, err := loadFlags{Lake: c.lake(), Data: d.name, Made: true}.ingest(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2_000, rep.Counts.RowsAfter)
	state := filepath.Join(c.dir, "states", "small")
	require.NoError(t, c.keep(state))

	changes := gen.ChangesOf(2, 2_000, 1_000, 10)
	file := filepath.Join(c.dir, "data", "changes.csv")
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, errors.Join(gen.WriteCSV(t.Context(), f, changes), f.Close()))
	for _, way := range []struct {
		made bool
		from landed
	}{
		{false, landed{name: "20240601-000000000.csv", from: file, at: changesLanded}},
		{true, landed{name: "20240601-000000000.csv", content: spec(changes), at: changesLanded}},
	} {
		require.NoError(t, restore(state, c.lake()))
		require.NoError(t, c.land(d, []landed{way.from}))
		rep, err := loadFlags{Lake: c.lake(), Data: d.name, Made: way.made}.ingest(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1_000, rep.Counts.Read)
		require.Equal(t, expectedRows(t, changes), rep.Counts.RowsAfter)
		require.Positive(t, rep.Mallocs)
		sum, err := newestMetadata(c.lake(), d)
		require.NoError(t, err)
		s, err := summary(sum)
		require.NoError(t, err)
		require.NotEmpty(t, s["total-data-files"])
	}
}

func TestResultsReplaceTheirPredecessors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	one := func(work string, wall float64) *result {
		a, b := spent{WallMS: wall, WorkMS: wall / 2}, spent{WallMS: 100, WorkMS: 20}
		r := ratiosOf(a, b)
		return &result{Work: work, Peer: "duckdb", Tidemark: a, Other: &b, Ratio: &r, target: target{Must: 1}}
	}
	require.NoError(t, saveResult(file, one("a", 50)))
	require.NoError(t, saveResult(file, one("b", 10)))
	require.NoError(t, saveResult(file, one("a", 30)))
	rs, err := readResults(file)
	require.NoError(t, err)
	require.Len(t, rs, 2)
	require.InDelta(t, 0.3, rs[0].Ratio.Wall, 1e-9)
	require.True(t, *rs[0].Met, "0.3 whole and 0.75 alone")
	worse := one("c", 50)
	require.NoError(t, saveResult(file, worse))
	require.False(t, *worse.Met, "0.5 whole, but 1.25 alone")
	require.NoError(t, table(io.Discard, rs))
}

func TestMediansOfPairs(t *testing.T) {
	require.InDelta(t, 2, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 1.5, median([]float64{2, 1}), 0)
	m, least, most := summarize([]ratios{{Wall: 1, CPU: 5}, {Wall: 3, CPU: 1}, {Wall: 2, CPU: 3}})
	require.Equal(t, []float64{2, 3, 1, 3}, []float64{m.Wall, m.CPU, least, most})
}

func TestChartIsXML(t *testing.T) {
	c := chart{title: "a < b", x: "x", y: "y", curves: []curve{{name: "n & m", points: [][2]float64{{1000, 3}, {1e6, 5000}}}}}
	d := xml.NewDecoder(bytes.NewBufferString(c.svg()))
	lines := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		if s, ok := tok.(xml.StartElement); ok && s.Name.Local == "polyline" {
			lines++
		}
	}
	require.Equal(t, 1, lines)
}

func TestMeasureKillsAtTheLimit(t *testing.T) {
	var out any
	begun := time.Now()
	u, err := measure(t.Context(), 100*time.Millisecond, &out, "sleep", "30")
	require.ErrorIs(t, err, errTimeout)
	require.Less(t, time.Since(begun), 10*time.Second)
	require.GreaterOrEqual(t, u.WallMS, 100.0)
	_, err = measure(t.Context(), 0, &out, "sh", "-c", `echo noise; echo '{"a": 1}'`)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": 1.0}, out)
}
