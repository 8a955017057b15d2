package observer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/observer"
)

func load() etl.Load {
	at := time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	return etl.Load{ID: "l1", Table: "mpd.incidents", Kind: etl.Incremental, Epoch: 3, Files: []etl.File{
		{Location: "b", ModTime: at.Add(time.Minute)}, {Location: "a", ModTime: at}, {Location: "c"},
	}}
}

func TestEMFLines(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2024, 2, 20, 11, 5, 0, 0, time.UTC)
	o := observer.EMF{Writer: &out, Now: func() time.Time { return now }}.Observer()
	o.LoadApplied(load(), etl.Receipt{Snapshot: "7", FilesWritten: 2, BytesWritten: 99, Counts: etl.Counts{Read: 5, Inserted: 5, RowsAfter: 8}}, 1500*time.Millisecond)
	o.LoadFailed(load(), etl.ErrConflict, 2, time.Second)
	o.Paused("mpd.incidents", etl.Diagnosis{File: "a", Row: 4, Column: "age", Rule: "int", LoadID: "l1"})

	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 3)
	var got []map[string]any
	for _, l := range lines {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(l), &m))
		got = append(got, m)
		// Every metric that is declared is there, a number, and the dimension too.
		aws := m["_aws"].(map[string]any)
		require.EqualValues(t, now.UnixMilli(), aws["Timestamp"])
		d := aws["CloudWatchMetrics"].([]any)[0].(map[string]any)
		require.Equal(t, "Tidemark", d["Namespace"])
		require.Equal(t, []any{[]any{"Table"}}, d["Dimensions"])
		require.Equal(t, "mpd.incidents", m["Table"])
		require.NotEmpty(t, d["Metrics"])
		require.LessOrEqual(t, len(d["Metrics"].([]any)), 100, "the specification's limit")
		for _, x := range d["Metrics"].([]any) {
			require.IsType(t, float64(0), m[x.(map[string]any)["Name"].(string)])
		}
	}
	require.EqualValues(t, 1500, got[0]["LoadTime"])
	require.EqualValues(t, 300_000, got[0]["Lag"], "since the first file landed")
	require.EqualValues(t, 3, got[0]["FilesApplied"])
	require.EqualValues(t, 5, got[0]["RowsRead"])
	require.Equal(t, "l1", got[0]["Load"])
	require.Equal(t, "retry", got[1]["Outcome"])
	require.EqualValues(t, 1, got[2]["TablesPaused"])
	require.Equal(t, "age", got[2]["Column"])
}

func TestEMFIsSafeForConcurrentUse(t *testing.T) {
	var out bytes.Buffer
	o := observer.EMF{Writer: &out}.Observer()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				o.LoadFailed(load(), errors.New("x"), 1, -1)
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	require.Len(t, lines, 400)
	for _, l := range lines {
		require.True(t, json.Valid([]byte(l)))
	}
}

func TestJoinTellsAll(t *testing.T) {
	var heard []string
	say := func(who string) etl.Observer {
		return etl.Observer{
			Registered:  func(r etl.FileRecord) { heard = append(heard, who+" registered "+r.Location) },
			LoadPlanned: func(l etl.Load) { heard = append(heard, who+" planned "+l.ID) },
			LoadApplied: func(l etl.Load, _ etl.Receipt, _ time.Duration) { heard = append(heard, who+" applied "+l.ID) },
			LoadFailed: func(l etl.Load, _ error, n int, _ time.Duration) {
				heard = append(heard, fmt.Sprint(who, " failed ", l.ID, n))
			},
			Staged:      func(etl.Load, etl.StagedFile, int, int) { heard = append(heard, who+" staged") },
			Checked:     func(_ etl.Load, c etl.Checked) { heard = append(heard, who+" checked "+c.Check) },
			Quarantined: func(etl.Load, []etl.BadRow) { heard = append(heard, who+" quarantined") },
			Evolved:     func(etl.Load, etl.SchemaChange) { heard = append(heard, who+" evolved") },
			Paused:      func(table string, _ etl.Diagnosis) { heard = append(heard, who+" paused "+table) },
			Progress:    func(_ etl.Load, at string, _ int, _ int64) { heard = append(heard, who+" progress "+at) },
		}
	}
	o := observer.Join(say("a"), etl.Observer{}, say("b"))
	for i := range reflect.TypeOf(o).NumField() {
		require.False(t, reflect.ValueOf(o).Field(i).IsNil(), "Join leaves out %s", reflect.TypeOf(o).Field(i).Name)
	}
	o.Registered(etl.FileRecord{File: etl.File{Location: "f"}})
	o.LoadPlanned(load())
	o.LoadApplied(load(), etl.Receipt{}, 0)
	o.LoadFailed(load(), errors.New("x"), 1, 0)
	o.Paused("t", etl.Diagnosis{})
	o.Progress(load(), "f", 1, 2)
	o.Staged(load(), etl.StagedFile{}, 1, 2)
	o.Checked(load(), etl.Checked{Check: "range"})
	o.Quarantined(load(), nil)
	o.Evolved(load(), etl.SchemaChange{})
	require.Equal(t, []string{
		"a registered f", "b registered f", "a planned l1", "b planned l1", "a applied l1", "b applied l1",
		"a failed l11", "b failed l11", "a paused t", "b paused t", "a progress f", "b progress f",
		"a staged", "b staged", "a checked range", "b checked range", "a quarantined", "b quarantined", "a evolved", "b evolved",
	}, heard)
}
