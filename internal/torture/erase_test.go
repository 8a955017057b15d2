package torture

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// What nothing else holds. The first four are of the erased persons.
const (
	erasedKey, erasedValue   = "kzqx7-erased-key", "vzqx7-erased-value"
	deletedKey, deletedValue = "kzqx8-deleted-key", "vzqx8-deleted-value"
	otherKey, otherValue     = "kwvy9-other-key", "vwvy9-other-value"
)

var erasedTexts = []string{erasedKey, erasedValue, deletedKey, deletedValue}

// house is a Runner with everything on disk but the landed files.
type house struct {
	t       *testing.T
	dir     string
	source  *source.Memory
	inj     *etltest.Injector
	table   etl.Table
	control *sqlitecontrol.Store
	lake    *icebergsink.Sink
	runner  *etl.Runner
	now     time.Time
}

func newHouse(t *testing.T, properties map[string]string, change func(*etl.Table)) *house {
	h := &house{
		t: t, dir: t.TempDir(), source: source.NewMemory(), inj: etltest.NewInjector(),
		now: time.Date(2024, 2, 20, 12, 0, 0, 0, time.UTC),
		table: etl.Table{
			Name: "shop.people", Key: []string{"id"}, OrderBy: []string{"at"}, Op: etl.OpColumn{Column: "Op"},
			Columns:            etl.Columns{{Name: "id", Type: etl.String}, {Name: "name", Type: etl.String}, {Name: "age", Type: etl.Int}, {Name: "at", Type: etl.Long}},
			TombstoneRetention: 24 * 365 * time.Hour, BadRows: etl.ErrorBudget{Rows: 100}, Properties: properties,
		},
	}
	if change != nil {
		change(&h.table)
	}
	h.table.Format = format.CSV{Null: "NULL"}.ForTable(h.table)
	require.NoError(t, os.Mkdir(filepath.Join(h.dir, "tmp"), 0o700))
	var err error
	h.control, err = sqlitecontrol.Open(filepath.Join(h.dir, "control.db"))
	require.NoError(t, err)
	h.lake, err = icebergsink.Open(context.Background(), icebergsink.Config{Warehouse: filepath.Join(h.dir, "lake")})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, h.lake.Close())
		require.NoError(t, h.control.Close())
	})
	h.start()
	return h
}

func (h *house) start() {
	aside, err := quarantine.Dir(filepath.Join(h.dir, "quarantine"))
	require.NoError(h.t, err)
	h.now = h.now.Add(time.Hour)
	locker := sqlitelock.New(h.control.DB())
	locker.Now = func() time.Time { return h.now }
	h.runner, err = etl.New(etl.Config{
		Source: h.inj.Source(h.source), Control: h.inj.Control(h.control), Locker: h.inj.Locker(locker), Sink: h.inj.Sink(h.lake),
		Quarantine: h.inj.Quarantine(aside), Layout: format.DMS{}, Tables: []etl.Table{h.table}, TempDir: filepath.Join(h.dir, "tmp"),
		Now: func() time.Time { return h.now }, Retry: etl.RetryPolicy{Attempts: 2, Base: time.Microsecond, Max: time.Microsecond},
	})
	require.NoError(h.t, err)
}

func (h *house) land(name string, rows ...string) {
	h.now = h.now.Add(time.Second)
	h.source.Put("shop/people/"+name+".csv", []byte(strings.Join(rows, "\n")+"\n"), h.now)
}

func (h *house) ingest() {
	h.t.Helper()
	_, err := h.runner.Ingest(h.t.Context())
	require.NoError(h.t, err)
}

// story leaves the persons' data in as many places as there are: rows that readers
// see, deleted ones, dictionaries, tombstones, older versions, bad rows.
func (h *house) story() {
	h.land("LOAD00000001", fmt.Sprintf("%s,%s-a,30,1", erasedKey, erasedValue), fmt.Sprintf("%s,%s,31,1", deletedKey, deletedValue),
		fmt.Sprintf("%s,%s,32,1", otherKey, otherValue), "k4,same,4,1", "k5,same,5,1")
	h.ingest()
	h.now = h.now.Add(time.Second)
	h.land("20240220-120001000", fmt.Sprintf("U,%s,%s-b,30,2", erasedKey, erasedValue), "U,k4,later,4,2")
	h.ingest()
	h.land("20240220-120002000", fmt.Sprintf("U,%s,%s-c,30,3", erasedKey, erasedValue), "I,k6,same,6,3", "I,k7,same,7,3",
		fmt.Sprintf("U,%s,%s-bad,no number,4", erasedKey, erasedValue))
	h.ingest()
	h.land("20240220-120003000", fmt.Sprintf("D,%s,,,5", deletedKey), "U,k6,later,6,5")
	h.ingest()
}

func (h *house) keys(keys ...string) [][]string {
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{k}
	}
	return rows
}

func (h *house) erase(opts etl.EraseOptions, keys ...string) (etl.ErasureReport, error) {
	h.t.Helper()
	rec, err := format.Keys(h.table, h.keys(keys...))
	require.NoError(h.t, err)
	return h.runner.Erase(h.t.Context(), h.table.Name, rec, opts)
}

func (h *house) holds(texts ...string) []string {
	h.t.Helper()
	found, err := search(h.dir, texts...)
	require.NoError(h.t, err)
	return found
}

func (h *house) rows() (keys []string) {
	h.t.Helper()
	rows, err := etltest.ReadRows(h.t.Context(), h.lake, h.table.Name)
	require.NoError(h.t, err)
	for _, r := range rows {
		keys = append(keys, fmt.Sprint(r[0]))
	}
	return keys
}

// forms are the ways in which tables are kept.
var forms = map[string]map[string]string{
	"v2": nil, "v2 copied": {"tidemark.write-mode": "copy-on-write"},
	"v3": {"format-version": "3"}, "v3 copied": {"format-version": "3", "tidemark.write-mode": "copy-on-write"},
}

func TestEraseLeavesNoByte(t *testing.T) {
	for name, properties := range forms {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, properties, nil)
			h.story()
			before := h.holds(erasedTexts...)
			require.Greater(t, len(before), 6, "data files, manifests, side files, quarantine: %q", before)
			require.Contains(t, strings.Join(before, "\n"), "quarantine")
			require.Contains(t, strings.Join(before, "\n"), ".avro")
			require.Contains(t, strings.Join(before, "\n"), ".tidemark")

			rep, err := h.erase(etl.EraseOptions{By: "dpo", Why: "request 17"}, erasedKey, deletedKey)
			require.NoError(t, err)
			require.Equal(t, 2, rep.Keys)
			require.EqualValues(t, 1, rep.Rows)
			require.Equal(t, 1, rep.Quarantined)
			require.Empty(t, rep.Purged.Left)
			require.Empty(t, h.holds(erasedTexts...))
			require.NotEmpty(t, h.holds(otherKey), "the search finds what is there")
			require.ElementsMatch(t, []string{otherKey, "k4", "k5", "k6", "k7"}, h.rows())

			again, err := h.erase(etl.EraseOptions{}, deletedKey, erasedKey)
			require.NoError(t, err)
			require.Equal(t, rep.ID, again.ID)
			require.Zero(t, again.Rows)

			require.NoError(t, h.runner.Reload(t.Context(), h.table.Name))
			h.ingest()
			require.ElementsMatch(t, []string{otherKey, "k4", "k5", "k6", "k7"}, h.rows())
			require.Empty(t, h.holds(erasedTexts...), "old files do not bring it back")

			h.now = h.now.Add(time.Second)
			h.land("20240220-120004000", fmt.Sprintf("I,%s,new,1,9", erasedKey), fmt.Sprintf("U,%s,new,1,9", otherKey))
			h.ingest()
			require.ElementsMatch(t, []string{erasedKey, otherKey, "k4", "k5", "k6", "k7"}, h.rows(), "what lands later is new data")
		})
	}
}

func TestErasePartitioned(t *testing.T) {
	h := newHouse(t, nil, func(t *etl.Table) {
		t.Partition = []etl.PartitionField{{Column: "id", Transform: "identity"}}
		t.FullLoads = etl.FullDifference
	})
	h.story()
	_, err := h.erase(etl.EraseOptions{}, erasedKey, deletedKey)
	require.NoError(t, err)
	require.Empty(t, h.holds(erasedTexts...))
	require.NoError(t, h.runner.Reload(t.Context(), h.table.Name))
	h.ingest()
	require.ElementsMatch(t, []string{otherKey, "k4", "k5", "k6", "k7"}, h.rows())
	require.Empty(t, h.holds(erasedTexts...))
}

// TestEraseWithin: older versions stay until their time, and not longer.
func TestEraseWithin(t *testing.T) {
	h := newHouse(t, nil, nil)
	h.story()
	rep, err := h.erase(etl.EraseOptions{Within: 24 * time.Hour}, erasedKey, deletedKey)
	require.NoError(t, err)
	require.Nil(t, rep.Purged)
	require.Equal(t, h.now.Add(24*time.Hour), rep.Due)
	require.NotContains(t, h.rows(), erasedKey)
	h.ingest()
	require.NotEmpty(t, h.holds(erasedTexts...), "readers of older versions go on")
	status, err := h.runner.Status(t.Context(), h.table.Name)
	require.NoError(t, err)
	require.Len(t, status.State.Erasures.List, 1)
	require.Equal(t, rep.Due, status.State.Erasures.List[0].Due)

	h.land("20240220-120005000", "U,k4,again,4,9", "U,k5,again,5,9")
	h.ingest()
	require.NotEmpty(t, h.holds(erasedTexts...))
	h.now = h.now.Add(24 * time.Hour)
	h.ingest()
	require.Empty(t, h.holds(erasedTexts...))
	require.ElementsMatch(t, []string{otherKey, "k4", "k5", "k6", "k7"}, h.rows())
	status, err = h.runner.Status(t.Context(), h.table.Name)
	require.NoError(t, err)
	require.Zero(t, status.State.Erasures.List[0].Due)
	h.land("20240220-120006000", fmt.Sprintf("U,%s,x,1,10", otherKey))
	h.ingest()
}

// TestEraseFaults crashes the process around each effect of an erasure and repeats it.
func TestEraseFaults(t *testing.T) {
	for _, point := range []string{
		"sink.Erase/before", "sink.Erase/after", "sink.Purge/before", "sink.Purge/after",
		"quarantine.Remove/after",
		"control.Update/before", "control.Update/after",
	} {
		for nth := 1; nth <= 1+strings.Count(point, "control"); nth++ {
			t.Run(fmt.Sprintf("%s %d", point, nth), func(t *testing.T) {
				h := newHouse(t, nil, nil)
				h.story()
				h.inj.Reset()
				h.inj.FailAt(point, nth, etltest.ErrCrash)
				_, err := h.erase(etl.EraseOptions{}, erasedKey, deletedKey)
				require.ErrorIs(t, err, etltest.ErrCrash)
				h.inj.Restart()
				h.start()
				h.ingest() // others go on meanwhile
				_, err = h.erase(etl.EraseOptions{}, erasedKey, deletedKey)
				require.NoError(t, err)
				require.Empty(t, h.holds(erasedTexts...))
				require.ElementsMatch(t, []string{otherKey, "k4", "k5", "k6", "k7"}, h.rows())
				st, err := h.control.State(t.Context(), h.table.Name)
				require.NoError(t, err)
				require.Len(t, st.Erasures.List, 1)
				require.True(t, st.Erasures.List[0].Removed)
			})
		}
	}
}

// TestErasureSurvivesTheLedger: a control store that is rebuilt from the table knows
// what was erased.
func TestErasureSurvivesTheLedger(t *testing.T) {
	h := newHouse(t, nil, nil)
	h.story()
	_, err := h.erase(etl.EraseOptions{}, erasedKey, deletedKey)
	require.NoError(t, err)
	require.NoError(t, h.control.Close())
	require.NoError(t, os.RemoveAll(filepath.Join(h.dir, "control.db")))
	h.control, err = sqlitecontrol.Open(filepath.Join(h.dir, "control2.db"))
	require.NoError(t, err)
	h.start()
	require.NoError(t, h.runner.Rebuild(t.Context(), h.table.Name))
	require.NoError(t, h.runner.Resume(t.Context(), h.table.Name))
	require.NoError(t, h.runner.Reload(t.Context(), h.table.Name, "shop/people/LOAD00000001.csv"))
	h.ingest()
	require.NotContains(t, h.rows(), erasedKey)
	require.Contains(t, h.rows(), otherKey)
	require.Empty(t, h.holds(erasedTexts...))
}

// TestEraseSweeps: what a crashed process has left goes, what may be another writer's
// is named and stays.
func TestEraseSweeps(t *testing.T) {
	h := newHouse(t, nil, nil)
	h.story()
	data := filepath.Join(h.dir, "lake", "shop.db", "people", "data")
	files, err := os.ReadDir(data)
	require.NoError(t, err)
	content, err := os.ReadFile(filepath.Join(data, files[0].Name()))
	require.NoError(t, err)
	ours := filepath.Join(data, "00007-11111111-2222-3333-4444-555555555555.parquet")
	foreign := filepath.Join(data, "00000-4-11111111-2222-3333-4444-555555555555-00001.parquet")
	require.NoError(t, os.WriteFile(ours, content, 0o600))
	require.NoError(t, os.WriteFile(foreign, content, 0o600))
	rep, err := h.erase(etl.EraseOptions{}, erasedKey)
	require.NoError(t, err)
	require.NoFileExists(t, ours)
	require.FileExists(t, foreign)
	require.Equal(t, []string{filepath.Base(foreign)}, rep.Purged.Left)
}

// TestEraseWhileLocked: of two runners one is told to come back.
func TestEraseWhileLocked(t *testing.T) {
	h := newHouse(t, nil, nil)
	h.story()
	locker := sqlitelock.New(h.control.DB())
	locker.Now = func() time.Time { return h.now }
	lease, err := locker.Acquire(t.Context(), h.table.Name, time.Minute)
	require.NoError(t, err)
	_, err = h.erase(etl.EraseOptions{}, erasedKey)
	require.ErrorIs(t, err, etl.ErrLocked)
	require.Contains(t, h.rows(), erasedKey)
	require.NoError(t, lease.Release(t.Context()))
	_, err = h.erase(etl.EraseOptions{}, erasedKey)
	require.NoError(t, err)
	require.NotContains(t, h.rows(), erasedKey)
}

// TestEraseReachesDictionaries: pages that copy-on-write takes over keep values of rows
// that are gone in their dictionaries.
func TestEraseReachesDictionaries(t *testing.T) {
	h := newHouse(t, forms["v2 copied"], nil)
	rows := []string{fmt.Sprintf("a,%s,1,1", erasedValue)}
	for i := range 3000 {
		rows = append(rows, fmt.Sprintf("k%05d,same,1,1", i))
	}
	h.land("LOAD00000001", rows...)
	h.ingest()
	h.now = h.now.Add(time.Second)
	h.land("20240220-120001000", "U,a,other,1,2")
	h.ingest()
	require.Contains(t, strings.Join(h.holds(erasedValue), "\n"), "-recast.parquet")
	rep, err := h.erase(etl.EraseOptions{}, "a")
	require.NoError(t, err)
	require.Equal(t, 2, rep.Files)
	require.Empty(t, h.holds(erasedValue))
	require.Len(t, h.rows(), 3000)
}
