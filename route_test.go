package etl

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func loadOf(sizes ...int64) Load {
	l := Load{ID: "x", Kind: Incremental}
	for _, n := range sizes {
		l.Files = append(l.Files, File{Size: n})
	}
	return l
}

func TestRoute(t *testing.T) {
	here := conditions{dispatcher: true, budget: 256 << 20, limit: time.Hour}
	within := func(left time.Duration) conditions {
		c := here
		c.bounded, c.left = true, left
		return c
	}
	pace := &Pace{BytesPerSecond: 21_000_000, BytesPerRow: 200, Loads: 4}
	for name, test := range map[string]struct {
		load   Load
		pace   *Pace
		c      conditions
		engine JobFlag
		why    string
	}{
		"fits":            {loadOf(400_000_000, 12_000_000), pace, within(840 * time.Second), FlagLocal, "412 MB at 21 MB/s needs 20 s of the 840 s left, fits: L"},
		"too long":        {loadOf(20_000_000_000), &Pace{BytesPerSecond: 21_000_000, BytesPerRow: 2000}, within(840 * time.Second), FlagDistributed, "20 GB at 21 MB/s needs 952 s of the 840 s left, too long: G"},
		"only just":       {loadOf(2_000_000_000), pace, within(110 * time.Second), FlagDistributed, "2.0 GB at 21 MB/s needs 95 s of the 110 s left, too long: G"},
		"no history":      {loadOf(8_000_000), nil, within(20 * time.Second), FlagLocal, "8.0 MB at an assumed 8.0 MB/s needs 1 s of the 20 s left, fits: L"},
		"time is over":    {loadOf(1), pace, within(-time.Second), FlagDistributed, "1 B at 21 MB/s needs 0 s of the 0 s left, too long: G"},
		"no deadline":     {loadOf(2_100_000_000), pace, here, FlagLocal, "2.1 GB at 21 MB/s needs 100 s and may take 3600 s, fits: L"},
		"past the limit":  {loadOf(2_100_000_000), pace, conditions{dispatcher: true, budget: 1 << 30, limit: time.Minute}, FlagDistributed, "2.1 GB at 21 MB/s needs 100 s and may take 60 s, too long: G"},
		"too many keys":   {loadOf(40_000_000_000), &Pace{BytesPerSecond: 1e9, BytesPerRow: 20}, here, FlagDistributed, "40 GB have about 192 GB of keys, more than 32 times the memory budget of 268 MB: G"},
		"no other engine": {loadOf(1 << 50), pace, conditions{budget: 1}, FlagLocal, "no other engine is configured: L"},
		"stays":           {loadOf(1 << 50), pace, conditions{dispatcher: true, local: "a history table with a contract"}, FlagLocal, "a history table with a contract stays in this process: L"},
		"staged":          {Load{Staged: true, Files: []File{{Size: 1 << 50}}}, pace, within(0), FlagLocal, "staged file by file, which goes on after any deadline: L"},
	} {
		t.Run(name, func(t *testing.T) {
			engine, why := route(test.load, test.pace, test.c)
			require.Equal(t, test.why, why)
			require.Equal(t, test.engine, engine)
		})
	}
}

func TestTablesThatStayInProcess(t *testing.T) {
	for _, mode := range []Mode{ModeUpsert, ModeAppend, ModeSoftDelete, ModeHistory} {
		require.Empty(t, Table{Mode: mode}.local())
		bad := Table{Mode: mode, BadRows: ErrorBudget{Rows: 1}}
		require.Equal(t, mode == ModeHistory, bad.local() != "")
		require.Equal(t, mode == ModeHistory, Table{Mode: mode, Dropped: map[string]DropRule{"a": DropKeep}}.local() != "")
	}
}

func FuzzRoute(f *testing.F) {
	f.Add(int64(412_000_000), int64(1000), int64(21_000_000), int64(200), int64(840), int64(256<<20), true, true)
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), int64(1), int64(1), int64(-1), int64(0), true, false)
	f.Add(int64(-5), int64(0), int64(0), int64(-1), int64(math.MinInt64), int64(-1), false, true)
	f.Fuzz(func(t *testing.T, size, more, perSecond, perRow, left, budget int64, dispatcher, bounded bool) {
		c := conditions{dispatcher: dispatcher, bounded: bounded, left: time.Duration(left), budget: budget, limit: time.Hour}
		p := &Pace{BytesPerSecond: perSecond, BytesPerRow: perRow}
		engine, why := route(loadOf(size), p, c)
		require.True(t, strings.HasSuffix(why, ": "+string(engine)), "%s but %q", engine, why)
		require.NotContains(t, why, "NaN")
		require.Contains(t, []JobFlag{FlagLocal, FlagDistributed}, engine)
		if !dispatcher {
			require.Equal(t, FlagLocal, engine)
		}
		if bigger, _ := route(loadOf(size, more), p, c); engine == FlagDistributed {
			require.Equal(t, FlagDistributed, bigger, "a bigger load under the same conditions")
		}
	})
}

func TestRouted(t *testing.T) {
	load := loadOf(1000)
	handed := load
	handed.Engine, handed.Route = FlagDistributed, "handed over"
	with := conditions{dispatcher: true, budget: 1 << 20, limit: time.Hour}
	for name, test := range map[string]struct {
		flag   JobFlag
		load   Load
		again  bool
		c      conditions
		engine JobFlag
		reason string
	}{
		"L":                             {flag: FlagLocal, load: load, c: with, engine: FlagLocal},
		"G":                             {flag: FlagDistributed, load: load, c: with, engine: FlagDistributed},
		"G without dispatcher":          {flag: FlagDistributed, load: load, reason: "flag G: no dispatcher to a distributed engine is configured"},
		"auto":                          {flag: FlagAuto, load: load, c: with, engine: FlagLocal},
		"auto, handed over before":      {flag: FlagAuto, load: handed, again: true, c: with, engine: FlagDistributed},
		"auto, dispatcher taken away":   {flag: FlagAuto, load: handed, again: true, engine: FlagLocal},
		"L, handed over before":         {flag: FlagLocal, load: handed, again: true, c: with, engine: FlagLocal},
		"G, begun in this process":      {flag: FlagDistributed, load: load, again: true, c: with, engine: FlagDistributed},
		"flag of a table without a row": {flag: "", load: load, c: with, engine: FlagLocal},
	} {
		t.Run(name, func(t *testing.T) {
			d := routed(State{Flag: test.flag}, Decision{Load: &test.load, Again: test.again, Reason: "r"}, test.c)
			if test.engine == "" {
				require.Nil(t, d.Load)
				require.Equal(t, test.reason, d.Reason)
				return
			}
			require.Equal(t, test.engine, d.Load.Engine)
			require.NotEmpty(t, d.Load.Route)
			require.Equal(t, test.load.ID, d.Load.ID, "the engine is no part of the load's identity")
		})
	}
}

func TestPaceIsLearnt(t *testing.T) {
	var p *Pace
	p = p.learnt(loadOf(1000), Receipt{Counts: Counts{Read: 10}}, time.Second)
	require.Equal(t, &Pace{BytesPerSecond: 1000, BytesPerRow: 100, Loads: 1}, p)
	p = p.learnt(loadOf(2000), Receipt{Counts: Counts{Read: 10}}, time.Second)
	require.Equal(t, &Pace{BytesPerSecond: 1250, BytesPerRow: 125, Loads: 2}, p, "the last load counts a quarter")
	elsewhere := loadOf(5)
	elsewhere.Engine = FlagDistributed
	require.Equal(t, p, p.learnt(elsewhere, Receipt{Counts: Counts{Read: 1}}, time.Second))
	require.Equal(t, p, p.learnt(loadOf(5), Receipt{Found: true, Counts: Counts{Read: 1}}, time.Second))
	require.Equal(t, p, p.learnt(loadOf(5), Receipt{Counts: Counts{Read: 1}}, 0))
}
