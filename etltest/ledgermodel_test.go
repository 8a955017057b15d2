package etltest_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// ledger drives a ledger model with files named F1, F2 (full), 1, 2 (changes).
type ledger struct {
	*etltest.LedgerModel
	loads []string
	bad   string
}

func newLedger(spec etl.Table) *ledger {
	l := &ledger{}
	layout := etl.LayoutFunc(func(location string) (etl.Placement, bool) {
		kind := etl.Incremental
		if strings.HasPrefix(location, "F") {
			kind = etl.Full
		}
		return etl.Placement{Table: spec.Name, Kind: kind, Order: location}, true
	})
	l.LedgerModel = etltest.NewLedgerModel(spec, layout, func(_ etl.LoadKind, files []etltest.LedgerFile) error {
		var names []string
		for _, f := range files {
			if f.Location == l.bad {
				return &etl.FileError{File: f.Location, Err: errors.New("bad")}
			}
			names = append(names, f.Location)
		}
		l.loads = append(l.loads, strings.Join(names, "+"))
		return nil
	})
	return l
}

func at(location string, millis int) etl.File {
	return etl.File{Location: location, ModTime: time.UnixMilli(int64(millis))}
}

func (l *ledger) statuses() string {
	var s []string
	for _, f := range l.Files() {
		s = append(s, f.Location+" "+string(f.Status))
	}
	return strings.Join(s, ", ")
}

func TestLedgerModelFullLoadOvertakesAndDefers(t *testing.T) {
	files := []etl.File{at("1", 1999), at("2", 2000), at("3", 9000), at("F1", 2700), at("F2", 3000)}
	for shift := range files {
		l := newLedger(table())
		for i := range files {
			l.Register(files[(i+shift)%len(files)])
		}
		l.Drain()
		l.Register(at("0", 1500))
		l.Drain()
		require.Equal(t, []string{"F1+F2", "2", "3"}, l.loads)
		require.Equal(t, "0 superseded, 1 superseded, 2 applied, 3 applied, F1 applied, F2 applied", l.statuses())
	}
}

func TestLedgerModelLate(t *testing.T) {
	for policy, want := range map[etl.LatePolicy]string{
		"": "1 failed, 2 applied, 3 pending", etl.LateApply: "1 applied, 2 applied, 3 applied",
		etl.LateSetAside: "1 set_aside, 2 applied, 3 applied",
	} {
		spec := table()
		spec.Late = policy
		l := newLedger(spec)
		l.Register(at("2", 0))
		l.Drain()
		l.Register(at("3", 0), at("1", 0))
		l.Drain()
		require.Equal(t, want, l.statuses(), policy)
	}
}

func TestLedgerModelFailedFullLoad(t *testing.T) {
	l := newLedger(table())
	l.bad = "F2"
	l.Register(at("F1", 1000))
	l.Drain()
	l.Register(at("1", 2000), at("F2", 3000), at("2", 4000))
	l.Drain()
	require.True(t, l.Paused())
	require.Equal(t, "1 superseded, 2 deferred, F1 applied, F2 failed", l.statuses())
	l.Skip()
	l.Drain()
	require.Equal(t, []string{"F1", "1", "2"}, l.loads)
	require.EqualValues(t, 1, l.Epoch())
}

func TestLedgerModelCollects(t *testing.T) {
	spec := table()
	spec.Completion = etl.Completion{Files: 2}
	l := newLedger(spec)
	l.Register(at("F1", 2000), at("1", 1000), at("2", 5000))
	l.Drain()
	require.Equal(t, "1 superseded, 2 deferred, F1 pending", l.statuses())
	l.Register(at("F1", 4000)) // newer content
	l.Drain()
	require.Empty(t, l.loads)
	l.Register(at("F2", 1000)) // landed before the first that was seen
	l.Drain()
	require.Equal(t, []string{"F1+F2", "1", "2"}, l.loads)
}

func TestLedgerModelEachFile(t *testing.T) {
	spec := table()
	spec.Completion = etl.Completion{EachFile: true}
	l := newLedger(spec)
	l.Register(at("F1", 1000), at("1", 2000), at("F2", 3000), at("2", 4000))
	l.Drain()
	require.Equal(t, []string{"F2", "2"}, l.loads)
	require.Equal(t, "1 superseded, 2 applied, F1 superseded, F2 applied", l.statuses())
}
