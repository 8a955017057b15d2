//go:build spark

package tests

import (
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
)

func csvTable(t etl.Table) etl.Table {
	t.Name, t.Op.Column = "shop.orders", "Op"
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	t.Format = format.CSV{FullColumns: names, ChangeColumns: append([]string{"Op"}, names...), Null: "NULL"}.ForTable(t)
	return t
}

func smallTable() etl.Table {
	return csvTable(etl.Table{
		Key: []string{"id"}, OrderBy: []string{"seq"},
		Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "qty", Type: etl.Int}},
	})
}

func (l *lake) rows() etltest.Rows {
	rows, err := etltest.ReadRows(l.t.Context(), l.both, l.table.Name)
	require.NoError(l.t, err)
	return rows
}

// applied has Spark apply a load that must go through.
func (l *lake) applied(load etl.Load) etl.Receipt {
	r := spark.run(l.t, l.manifest(load))
	require.NotNil(l.t, r.Receipt, "%+v", r.Failure)
	return *r.Receipt
}

func TestStaleFenceIsRefused(t *testing.T) {
	l := newLake(t, smallTable())
	_, err := l.inGo(l.both, l.land(etl.Full, lines("1,5,1", "2,5,2")))
	require.NoError(t, err)
	stale := l.land(etl.Incremental, lines("U,1,6,9"))
	require.NoError(t, l.both.Fence(t.Context(), l.target, stale.Fence+1))
	before, refs := l.snapshots()
	r := spark.run(t, l.manifest(stale))
	require.NotNil(t, r.Failure)
	require.Equal(t, "refused", r.Failure.Outcome)
	require.Contains(t, r.Failure.Cause, "stale fence")
	after, refsAfter := l.snapshots()
	require.Equal(t, []int{before, refs}, []int{after, refsAfter})
	require.Equal(t, etltest.Rows{{"1", "5", "1"}, {"2", "5", "2"}}, l.rows())
}

func TestLoadOfTheOtherEngineIsFound(t *testing.T) {
	l := newLake(t, smallTable())
	load := l.land(etl.Full, lines("1,5,1", "2,5,2"))
	want, err := l.inGo(l.both, load)
	require.NoError(t, err)
	load.Fence++
	want.Found = true
	require.Equal(t, want, l.applied(load))

	load = l.land(etl.Incremental, lines("U,1,6,9", "D,2,7,NULL"))
	load.Fence += 2
	want = l.applied(load)
	want.Found = true
	got, err := l.inGo(l.both, load)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// rivals matches manifest lists of iceberg-go, which counts attempts from 0 where Java
// counts from 1. Those of lost attempts stay until maintenance.
var rivals = regexp.MustCompile(`^snap-\d+-0-`)

// Another writer commits to the table again and again while the job works.
func TestConcurrentWriter(t *testing.T) {
	l := newLake(t, smallTable())
	_, err := l.inGo(l.both, l.land(etl.Full, lines("1,5,1", "2,5,2", "3,5,3")))
	require.NoError(t, err)
	load := l.land(etl.Incremental, lines("U,1,6,9", "D,2,7,NULL", "I,4,1,4"))
	load.Fence = 1000
	spark.run(t, l.manifest(load)) // warms up; gives the load an ID in the table
	load = l.land(etl.Incremental, lines("U,1,8,10", "D,3,9,NULL", "I,5,1,5"))
	load.Fence = 2000
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int64)
	go func() {
		fence, until := int64(1000), time.Now().Add(8*time.Second)
		for ctx.Err() == nil && time.Now().Before(until) {
			if l.both.Fence(ctx, l.target, fence+1) == nil {
				fence++
			}
			time.Sleep(200 * time.Millisecond)
		}
		done <- fence
	}()
	receipt := l.applied(load)
	cancel()
	fence := <-done
	require.Greater(t, fence, int64(1001), "the other writer has written")
	require.Equal(t, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Deleted: 1, RowsBefore: 3, RowsAfter: 3}, receipt.Counts)
	require.Equal(t, etltest.Rows{{"1", "8", "10"}, {"4", "1", "4"}, {"5", "1", "5"}}, l.rows())
	_, refs := l.snapshots()
	require.Equal(t, 1, refs)
	ofJob := slices.DeleteFunc(l.orphans(), func(path string) bool { return rivals.MatchString(filepath.Base(path)) })
	require.Empty(t, ofJob, "lost attempts tidy up")
}

func TestTombstonesExpire(t *testing.T) {
	table := smallTable()
	table.TombstoneRetention = time.Second
	l := newLake(t, table)
	l.applied(l.land(etl.Full, lines("1,5,1", "2,5,2")))
	l.applied(l.land(etl.Incremental, lines("D,1,9,NULL")))
	time.Sleep(1100 * time.Millisecond)
	require.EqualValues(t, 1, l.applied(l.land(etl.Incremental, lines("I,1,3,7"))).Counts.Inserted)
	require.Equal(t, etltest.Rows{{"1", "3", "7"}, {"2", "5", "2"}}, l.rows())
}

// A row whose order is remembered stays where a change to it loses, while others go.
func TestRowOfRememberedOrderStays(t *testing.T) {
	l := newLake(t, smallTable())
	l.applied(l.land(etl.Full, lines("1,5,1", "2,5,2")))
	l.applied(l.land(etl.Incremental, lines("U,1,9,10", "U,2,9,20"), lines("U,1,NULL,11")))
	got := l.applied(l.land(etl.Incremental, lines("U,1,8,12", "D,2,9,NULL")))
	require.Equal(t, etl.Counts{Read: 2, Deleted: 1, Superseded: 1, RowsBefore: 2, RowsAfter: 1}, got.Counts)
	require.Equal(t, etltest.Rows{{"1", nil, "11"}}, l.rows())
}

// What one engine remembers of keys and orders of every type, the other knows.
func TestMemoryOfEveryType(t *testing.T) {
	values := map[etl.Type][3]string{ // a key, and two orders of which the second is greater
		etl.Bool: {"true", "false", "true"}, etl.Int: {"-7", "-7", "3"}, etl.Long: {"-9000000000", "-1", "9000000000"},
		etl.Date: {"1969-12-31", "1969-12-31", "2024-02-29"}, etl.Timestamp: {"1969-12-31 23:59:59.5", "1960-01-01 00:00:00", "2024-01-01 00:00:00.000001"},
		etl.TimestampTZ: {"1969-12-31 23:59:59.5Z", "1960-01-01 00:00:00Z", "2024-01-01 00:00:00.000001Z"},
		etl.String:      {`"ä, b"`, "a", "ä"}, etl.Binary: {"AAE=", "AA==", "AAEC"}, etl.Decimal(5, 2): {"-1.50", "-1.50", "2.25"},
		etl.Decimal(30, 4): {"-12345678901234567890.5", "-1", "123456789012345678901234.5"},
		etl.UUID:           {"0f9d1b9c-8a7b-4c6d-9e5f-000000000001", "00000000-0000-0000-0000-000000000001", "ffffffff-0000-0000-0000-000000000001"},
	}
	var key, low, high []string
	table := etl.Table{}
	for _, typ := range []etl.Type{
		etl.Bool, etl.Int, etl.Long, etl.Date, etl.Timestamp, etl.TimestampTZ, etl.String, etl.Binary, etl.Decimal(5, 2), etl.Decimal(30, 4), etl.UUID,
	} {
		name := strings.NewReplacer("(", "_", ")", "", ",", "_").Replace(typ.String())
		table.Columns = append(table.Columns, etl.Column{Name: "k_" + name, Type: typ}, etl.Column{Name: "o_" + name, Type: typ})
		table.Key, table.OrderBy = append(table.Key, "k_"+name), append(table.OrderBy, "o_"+name)
		v := values[typ]
		key, low, high = append(key, v[0]), append(low, v[0], v[1]), append(high, v[0], v[2])
	}
	for i, typ := range []etl.Type{etl.Float, etl.Double} {
		name := "o_" + typ.String()
		table.Columns, table.OrderBy = append(table.Columns, etl.Column{Name: name, Type: typ}), append(table.OrderBy, name)
		low, high = append(low, []string{"-0.5", "NaN"}[i]), append(high, []string{"1.5", "Inf"}[i])
	}
	l := newLake(t, csvTable(table))
	csv := func(op string, cells []string) []byte { return lines(op + "," + strings.Join(cells, ",")) }
	engines := []func(etl.Load) etl.Counts{
		func(load etl.Load) etl.Counts { return l.applied(load).Counts },
		func(load etl.Load) etl.Counts {
			r, err := l.inGo(l.both, load)
			require.NoError(t, err)
			return r.Counts
		},
	}
	require.NotEmpty(t, key)
	for i := range engines {
		here, there := engines[i], engines[1-i]
		full := here(l.land(etl.Full, lines(strings.Join(low, ","))))
		require.Equal(t, etl.Counts{Read: 1, Inserted: 1, RowsBefore: int64(i), RowsAfter: 1}, full)
		require.EqualValues(t, 1, there(l.land(etl.Incremental, csv("U", high))).Updated)
		require.EqualValues(t, 1, here(l.land(etl.Incremental, csv("U", low))).Superseded)
		require.EqualValues(t, 1, here(l.land(etl.Incremental, csv("D", high))).Deleted)
		require.EqualValues(t, 1, there(l.land(etl.Incremental, csv("I", low))).Superseded)
		require.Empty(t, l.rows())
		require.EqualValues(t, 1, there(l.land(etl.Incremental, csv("I", high))).Inserted)
		require.Len(t, l.rows(), 1)
	}
}

// Neither bad input nor errors of Spark show values.
func TestNoValueIsShown(t *testing.T) {
	l := newLake(t, smallTable())
	load := l.land(etl.Full, lines("1,5,1", "2,5,hunter2"))
	_, err := l.inGo(l.alone, load)
	require.Error(t, err)
	r := spark.run(t, l.manifest(load))
	require.NotNil(t, r.Failure)
	require.Equal(t, etl.Diagnose(err, load.ID), r.Failure.Diagnosis)
	doc, err := json.Marshal(r)
	require.NoError(t, err)
	require.NotContains(t, string(doc), "hunter2")
	rows, refs := 0, 0
	if tbl, err := l.both.Table(t.Context(), l.table.Name); err == nil {
		rows = len(tbl.Metadata().Snapshots())
		for range tbl.Metadata().Refs() {
			refs++
		}
	}
	require.Zero(t, rows+refs, "a failed load leaves nothing in the table")
}
