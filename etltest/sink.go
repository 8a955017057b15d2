package etltest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

// SinkUnderTest is a sink whose tables can be read back.
type SinkUnderTest interface {
	etl.Sink
	Scanner
}

// Sink is the conformance suite of [etl.Sink], and of the optional abilities
// [etl.Fencer], [etl.Witness] and [etl.Stager] where the sink has them. open returns an empty
// sink; the suite calls it once for each test.
func Sink(t *testing.T, open func(t *testing.T) SinkUnderTest) {
	tests := map[string]func(*sinkTest){
		"FullLoadThenChanges":   sinkFullThenChanges,
		"FullLoadReplaces":      sinkFullReplaces,
		"ChangesWithoutFull":    sinkChangesOnly,
		"EmptyLoads":            sinkEmptyLoads,
		"TwiceIsOnce":           sinkTwice,
		"StaleFence":            sinkStaleFence,
		"BadRowChangesNothing":  sinkBadRow,
		"CanceledContext":       sinkCanceled,
		"SameLoadRaces":         sinkSameLoadRaces,
		"DifferentLoadsRace":    sinkLoadsRace,
		"OldKey":                sinkOldKey,
		"UnsuppliedColumns":     sinkUnsupplied,
		"LateDataLoses":         sinkLateData,
		"DeletedStaysDeleted":   sinkTombstones,
		"OrderOutlivesNull":     sinkNullOrder,
		"OrderNotSupplied":      sinkOrderNotSupplied,
		"FullLoadForgetsOrders": sinkFullForgets,
		"AllTypes":              sinkAllTypes,
		"CompositeKey":          sinkCompositeKey,
		"ManyParts":             sinkManyParts,
		"SchemaMismatch":        sinkSchemaMismatch,
		"TablesAreApart":        sinkTablesApart,
		"Standing":              sinkStanding,
		"Difference":            sinkDifference,
		"DifferenceOpensEpoch":  sinkDifferenceOpensEpoch,
		"DifferenceManyParts":   sinkDifferenceManyParts,
		"DifferenceOfValues":    sinkDifferenceOfValues,
		"DifferenceRaces":       sinkDifferenceRaces,
		"Append":                sinkAppend,
		"AppendRaces":           sinkAppendRaces,
		"SoftDelete":            sinkSoftDelete,
		"SoftDeleteInOneLoad":   sinkSoftDeleteInOne,
		"History":               sinkHistory,
		"HistoryManyVersions":   sinkHistoryManyVersions,
		"HistoryManyParts":      sinkHistoryManyParts,
		"HistoryRaces":          sinkHistoryRaces,
		"HistoryFullLoads":      sinkHistoryFullLoads,
		"HistoryWithoutOrder":   sinkHistoryWithoutOrder,
		"Scan":                  sinkScan,
		"VerdictsAreKept":       sinkVerdicts,
		"HeldBackByChecks":      sinkHeldBack,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(newSinkTest(t, open(t))) })
	}
	t.Run("Stager", func(t *testing.T) { Stager(t, open) })
}

// sinkTest applies loads of text to a sink.
type sinkTest struct {
	*testing.T
	sink   SinkUnderTest
	source *source.Memory
	table  etl.Table
	fence  int64
	epoch  int64
	budget int64
	files  int
}

const conformanceTable = "conformance.people"

func newSinkTest(t *testing.T, s SinkUnderTest) *sinkTest {
	none := "<none>"
	return &sinkTest{T: t, sink: s, source: source.NewMemory(), fence: 1, table: etl.Table{
		Name: conformanceTable,
		Key:  []string{"id"},
		Columns: etl.Columns{
			{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}, {Name: "seq", Type: etl.Long},
		},
		OrderBy: []string{"seq"},
		Op:      etl.OpColumn{Column: "op"},
		OldKey:  []string{"old_id"}, AllowEmpty: true,
		Format: format.CSV{
			FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "old_id", "id", "name", "seq"},
			NotSupplied: &none,
		},
	}}
}

// load makes a load of one file.
func (s *sinkTest) load(kind etl.LoadKind, text string) etl.Load {
	if kind == etl.Full {
		s.epoch++
	}
	s.files++
	f := s.source.Put(fmt.Sprintf("file-%04d.csv", s.files), []byte(text), time.Unix(int64(1_700_000_000+s.files), 0))
	return etl.Load{
		ID: fmt.Sprintf("%032x", s.files), Table: s.table.Name, Kind: kind, Epoch: s.epoch, Files: []etl.File{f},
		Fence: s.fence, Watermark: fmt.Sprint(s.files), WatermarkFile: f.Location, Landed: f.ModTime,
	}
}

func (s *sinkTest) target() etl.Target {
	target, err := s.table.Target()
	require.NoError(s, err)
	return target
}

func (s *sinkTest) try(ctx context.Context, load etl.Load) (etl.Receipt, error) {
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: s.table, Load: load, Source: s.source, Budget: s.budget})
	require.NoError(s, err)
	return s.sink.Apply(ctx, s.target(), load, changes)
}

func (s *sinkTest) apply(load etl.Load) etl.Receipt {
	s.Helper()
	r, err := s.try(context.Background(), load)
	require.NoError(s, err)
	require.Equal(s, load.ID, r.LoadID)
	require.NotEmpty(s, r.Snapshot)
	require.NoError(s, s.target().Check(load, r.Counts))
	return r
}

func (s *sinkTest) full(text string) etl.Receipt {
	s.Helper()
	return s.apply(s.load(etl.Full, text))
}

func (s *sinkTest) change(text string) etl.Receipt {
	s.Helper()
	return s.apply(s.load(etl.Incremental, text))
}

func (s *sinkTest) want(rows ...[]any) {
	s.Helper()
	got, err := ReadRows(context.Background(), s.sink, s.table.Name)
	require.NoError(s, err)
	if diff := Rows(rows).Diff(got); diff != "" {
		s.Fatal(diff)
	}
}

func row(cells ...any) []any { return cells }

func sinkFullThenChanges(s *sinkTest) {
	r := s.full("1,Ann,\n2,Bob,\n1,Anna,\n")
	require.Equal(s, etl.Counts{Read: 3, Inserted: 2, Superseded: 1, RowsAfter: 2}, r.Counts)
	require.False(s, r.Found)
	r = s.change("U,,1,Anne,5\nD,,2,,\nI,,3,Cy,5\nD,,9,,\n")
	require.Equal(s, etl.Counts{Read: 4, Inserted: 1, Updated: 1, Deleted: 1, Unchanged: 1, RowsBefore: 2, RowsAfter: 2}, r.Counts)
	s.want(row(1, "Anne", 5), row(3, "Cy", 5))
	r = s.change("D,,1,,\nI,,1,Zoe,6\nI,,4,Di,6\n")
	require.Equal(s, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Superseded: 1, RowsBefore: 2, RowsAfter: 3}, r.Counts)
	s.want(row(1, "Zoe", 6), row(3, "Cy", 5), row(4, "Di", 6))
}

func sinkFullReplaces(s *sinkTest) {
	s.full("1,Ann,\n2,Bob,\n3,Cy,\n")
	s.change("U,,1,Anne,5\nD,,2,,\n")
	r := s.full("2,Bea,\n7,Gil,\n")
	require.EqualValues(s, 2, r.Counts.RowsBefore)
	require.EqualValues(s, 2, r.Counts.RowsAfter)
	s.want(row(2, "Bea", nil), row(7, "Gil", nil))
	s.change("U,,2,Bo,1\n")
	s.want(row(2, "Bo", 1), row(7, "Gil", nil))
}

func sinkChangesOnly(s *sinkTest) {
	r := s.change("I,,1,Ann,1\nU,,2,Bob,1\nD,,3,,\n")
	require.Equal(s, etl.Counts{Read: 3, Inserted: 2, Unchanged: 1, RowsAfter: 2}, r.Counts)
	s.want(row(1, "Ann", 1), row(2, "Bob", 1))
}

func sinkEmptyLoads(s *sinkTest) {
	s.want()
	s.full("")
	s.want()
	nothing := s.load(etl.Incremental, "D,,1,,\n")
	s.apply(nothing)
	_, found, err := s.sink.Applied(context.Background(), s.target(), nothing.ID)
	require.NoError(s, err)
	require.True(s, found, "a load that changes nothing is a commit all the same")
	s.change("I,,1,Ann,1\n")
	s.full("")
	s.want()
}

func sinkTwice(s *sinkTest) {
	ctx := context.Background()
	first := s.load(etl.Full, "1,Ann,\n")
	_, found, err := s.sink.Applied(ctx, s.target(), first.ID)
	require.NoError(s, err)
	require.False(s, found)
	made := s.apply(first)
	second := s.load(etl.Incremental, "U,,1,Anne,5\n")
	s.apply(second)
	for _, l := range []etl.Load{first, second} {
		s.change("U,,1,Other,6\n")
		again := s.apply(l)
		require.True(s, again.Found)
		s.want(row(1, "Other", 6))
	}
	got, found, err := s.sink.Applied(ctx, s.target(), first.ID)
	require.NoError(s, err)
	require.True(s, found)
	require.Equal(s, made.Counts, got.Counts)
	require.Equal(s, made.Snapshot, got.Snapshot)
}

func sinkStaleFence(s *sinkTest) {
	s.fence = 5
	s.full("1,Ann,\n")
	s.fence = 4
	_, err := s.try(context.Background(), s.load(etl.Incremental, "U,,1,Old,5\n"))
	require.ErrorIs(s, err, etl.ErrStaleFence)
	require.Equal(s, etl.Refused, etl.OutcomeOf(err))
	s.want(row(1, "Ann", nil))
	s.fence = 5
	s.change("U,,1,Anne,5\n")
	f, ok := s.sink.(etl.Fencer)
	if !ok {
		return
	}
	require.NoError(s, f.Fence(context.Background(), s.target(), 9))
	require.NoError(s, f.Fence(context.Background(), s.target(), 7), "a fence is only raised")
	s.fence = 8
	_, err = s.try(context.Background(), s.load(etl.Incremental, "U,,1,Old,6\n"))
	require.ErrorIs(s, err, etl.ErrStaleFence)
	s.fence = 9
	s.change("U,,1,Last,6\n")
	s.want(row(1, "Last", 6))
}

func sinkBadRow(s *sinkTest) {
	s.full("1,Ann,\n")
	bad := s.load(etl.Incremental, "I,,2,Bob,1\nI,,3,Cy,x\n")
	_, err := s.try(context.Background(), bad)
	var re *etl.RowError
	require.ErrorAs(s, err, &re)
	require.EqualValues(s, 2, re.Row)
	_, found, err := s.sink.Applied(context.Background(), s.target(), bad.ID)
	require.NoError(s, err)
	require.False(s, found)
	s.want(row(1, "Ann", nil))
	_, err = s.try(context.Background(), s.load(etl.Full, "5,Eve,\n6,,x\n"))
	require.Error(s, err)
	s.want(row(1, "Ann", nil))
}

func sinkCanceled(s *sinkTest) {
	s.full("1,Ann,\n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	load := s.load(etl.Incremental, "I,,2,Bob,1\n")
	_, err := s.try(ctx, load)
	require.ErrorIs(s, err, context.Canceled)
	s.want(row(1, "Ann", nil))
	s.apply(load)
	s.want(row(1, "Ann", nil), row(2, "Bob", 1))
}

// together runs the loads at the same time.
func (s *sinkTest) together(loads ...etl.Load) []etl.Receipt {
	receipts := make([]etl.Receipt, len(loads))
	errs := make([]error, len(loads))
	var wg sync.WaitGroup
	for i, l := range loads {
		wg.Go(func() { receipts[i], errs[i] = s.try(context.Background(), l) })
	}
	wg.Wait()
	for _, err := range errs {
		require.NoError(s, err)
	}
	return receipts
}

func sinkSameLoadRaces(s *sinkTest) {
	s.full("1,Ann,\n")
	load := s.load(etl.Incremental, "I,,2,Bob,1\nU,,1,Anne,1\n")
	made := 0
	for _, r := range s.together(load, load, load, load) {
		if !r.Found {
			made++
		}
	}
	require.Equal(s, 1, made, "one commit, and three that find it")
	s.want(row(1, "Anne", 1), row(2, "Bob", 1))
}

func sinkLoadsRace(s *sinkTest) {
	s.full("1,Ann,\n2,Bob,\n3,Cy,\n")
	s.together(
		s.load(etl.Incremental, "U,,1,a,10\nU,,2,a,10\nI,,7,a,10\n"),
		s.load(etl.Incremental, "U,,1,b,11\nD,,3,,11\nI,,8,b,11\n"),
		s.load(etl.Incremental, "U,,1,c,12\nU,,2,c,12\nI,,7,c,12\n"),
	)
	s.want(row(1, "c", 12), row(2, "c", 12), row(7, "c", 12), row(8, "b", 11))
}

func sinkOldKey(s *sinkTest) {
	s.full("1,Ann,\n2,Bob,\n")
	r := s.change("U,1,5,Ann,3\nU,2,2,Bobby,3\n")
	require.Equal(s, etl.Counts{Read: 2, Inserted: 1, Updated: 1, RemovedAsOldKey: 1, RowsBefore: 2, RowsAfter: 2}, r.Counts)
	s.want(row(5, "Ann", 3), row(2, "Bobby", 3))
}

func sinkUnsupplied(s *sinkTest) {
	s.full("1,Ann,1\n2,Bob,2\n")
	s.change("U,,1,<none>,10\nU,2,4,<none>,11\nU,,9,<none>,12\nU,,1,<none>,13\n")
	s.want(row(1, "Ann", 13), row(4, "Bob", 11), row(9, nil, 12))
}

func sinkLateData(s *sinkTest) {
	s.full("1,Ann,900\n")
	s.change("U,,1,ten,10\n")
	s.want(row(1, "ten", 10))
	r := s.change("U,,1,nine,9\nD,,1,,9\n")
	require.EqualValues(s, 2, r.Counts.Superseded)
	s.want(row(1, "ten", 10))
	s.change("U,,1,again,10\n")
	s.want(row(1, "again", 10))
	s.change("D,,1,,\n")
	s.want()
}

func sinkTombstones(s *sinkTest) {
	s.change("I,,1,Ann,10\nI,,2,Bob,10\n")
	s.change("D,,1,,11\nD,,2,,\n")
	s.change("U,,5,other,1\n")
	s.change("I,,1,zombie,10\nI,,2,zombie,9\n")
	s.want(row(5, "other", 1))
	s.change("I,,1,born,11\nI,,2,again,10\n")
	s.want(row(1, "born", 11), row(2, "again", 10), row(5, "other", 1))
}

func sinkNullOrder(s *sinkTest) {
	s.change("I,,1,Ann,10\n")
	s.change("U,,1,null,\n")
	s.change("U,,1,nine,9\n")
	s.want(row(1, "null", nil))
	s.change("U,,1,ten,10\n")
	s.want(row(1, "ten", 10))
}

// The row shows an order that it has from the full load, where it counts for
// nothing.
func sinkOrderNotSupplied(s *sinkTest) {
	s.full("1,Ann,9\n")
	s.change("U,,1,Anne,<none>\n")
	s.want(row(1, "Anne", 9))
	s.change("U,,1,Annie,2\n")
	s.want(row(1, "Annie", 2))
	s.change("U,,1,older,1\n")
	s.want(row(1, "Annie", 2))
}

func sinkFullForgets(s *sinkTest) {
	s.change("I,,1,Ann,10\nI,,2,Bob,10\n")
	s.change("D,,1,,11\n")
	s.full("2,Bob,99\n")
	s.change("I,,1,new,1\nU,,2,Bea,1\n")
	s.want(row(1, "new", 1), row(2, "Bea", 1))
}

func sinkAllTypes(s *sinkTest) {
	s.table.Columns = etl.Columns{{Name: "id", Type: etl.Int}}
	names := []string{"id"}
	add := func(name string, t etl.Type) {
		s.table.Columns = append(s.table.Columns, etl.Column{Name: name, Type: t})
		names = append(names, name)
	}
	add("b", etl.Bool)
	add("l", etl.Long)
	add("f", etl.Float)
	add("d", etl.Double)
	add("small", etl.Decimal(9, 2))
	add("large", etl.Decimal(38, 10))
	add("day", etl.Date)
	add("ts", etl.Timestamp)
	add("tz", etl.TimestampTZ)
	add("s", etl.String)
	add("bin", etl.Binary)
	add("u", etl.UUID)
	s.table.OrderBy, s.table.OldKey, s.table.Op = []string{"tz"}, nil, etl.OpColumn{Column: "op"}
	s.table.Format = format.CSV{FullColumns: names, ChangeColumns: append([]string{"op"}, names...)}
	one := "true,-9007199254740993,1.5,2.25,-1234567.89,1234567890123456789012345678.0123456789,2024-02-29,2024-02-29 23:59:59.123456,2024-02-29T23:59:59.5-05:00,\"a,\"\"é\",AP8=,00112233-4455-6677-8899-aabbccddeeff"
	s.full("1," + one + "\n2" + ",,,,,,,,,,,," + "\n3," + one + "\n")
	s.change("I,4," + one + "\nU,2," + one + "\nD,3,,,,,,,,,,,,\n")
	cells := row(true, int64(-9007199254740993), 1.5, 2.25, "-1234567.89", "1234567890123456789012345678.0123456789",
		"2024-02-29", "2024-02-29 23:59:59.123456", "2024-03-01 04:59:59.5", `a,"é`, []byte{0, 255}, "00112233-4455-6677-8899-aabbccddeeff")
	s.want(append(row(1), cells...), append(row(2), cells...), append(row(4), cells...))
}

func sinkCompositeKey(s *sinkTest) {
	s.table.Key = []string{"name", "id"}
	s.table.OldKey = nil
	s.full("1,Ann,\n2,Ann,\n1,An,\n")
	r := s.change("U,,1,Ann,5\nD,,1,An,\nI,,11,A,5\n")
	require.Equal(s, etl.Counts{Read: 3, Inserted: 1, Updated: 1, Deleted: 1, RowsBefore: 3, RowsAfter: 3}, r.Counts)
	s.want(row(1, "Ann", 5), row(2, "Ann", nil), row(11, "A", 5))
}

func sinkManyParts(s *sinkTest) {
	s.table.Format = format.CSV{FullColumns: []string{"id", "name", "seq"}, ChangeColumns: []string{"op", "old_id", "id", "name", "seq"}}
	s.table.OldKey = nil
	s.budget = 20_000
	var full, changes []byte
	var want [][]any
	for i := range 3000 {
		full = fmt.Appendf(full, "%d,n%d,\n", i, i)
		switch i % 3 {
		case 0:
			changes = fmt.Appendf(changes, "U,,%d,m%d,%d\n", i, i, i)
			want = append(want, row(i, fmt.Sprintf("m%d", i), i))
		case 1:
			changes = fmt.Appendf(changes, "D,,%d,,\n", i)
		default:
			changes = fmt.Appendf(changes, "I,,%d,k%d,%d\n", i+10_000, i, i)
			want = append(want, row(i, fmt.Sprintf("n%d", i), nil), row(i+10_000, fmt.Sprintf("k%d", i), i))
		}
	}
	s.full(string(full))
	r := s.change(string(changes))
	require.Equal(s, etl.Counts{Read: 3000, Inserted: 1000, Updated: 1000, Deleted: 1000, RowsBefore: 3000, RowsAfter: 3000}, r.Counts)
	s.want(want...)
}

func sinkSchemaMismatch(s *sinkTest) {
	s.full("1,Ann,\n")
	s.table.Columns[1].Type = etl.Int
	_, err := s.try(context.Background(), s.load(etl.Incremental, "I,,2,7,1\n"))
	require.Equal(s, etl.Terminal, etl.OutcomeOf(err), "%v", err)
	s.want(row(1, "Ann", nil))
}

func sinkTablesApart(s *sinkTest) {
	s.full("1,Ann,\n")
	s.table.Name = "conformance.others"
	s.full("2,Bob,\n")
	s.want(row(2, "Bob", nil))
	s.table.Name = conformanceTable
	s.want(row(1, "Ann", nil))
}

func sinkStanding(s *sinkTest) {
	w, ok := s.sink.(etl.Witness)
	if !ok {
		s.Skip("the sink is no etl.Witness")
	}
	ctx := context.Background()
	none, err := w.Standing(ctx, s.target())
	require.NoError(s, err)
	require.Zero(s, none.Epoch)
	require.Empty(s, none.Loads)
	var loads []etl.Load
	for i, text := range []string{"1,Ann,\n", "U,,1,Anne,5\n", "I,,2,Bob,5\n"} {
		kind := etl.Incremental
		if i == 0 {
			kind = etl.Full
		}
		s.fence++
		l := s.load(kind, text)
		s.apply(l)
		loads = append(loads, l)
	}
	got, err := w.Standing(ctx, s.target())
	require.NoError(s, err)
	last := loads[2]
	require.Equal(s, last.Epoch, got.Epoch)
	require.Equal(s, last.Fence, got.Fence)
	require.Equal(s, last.Watermark, got.Watermark)
	require.Equal(s, last.WatermarkFile, got.WatermarkFile)
	require.True(s, last.Landed.Equal(got.Landed))
	require.True(s, got.Complete)
	require.Len(s, got.Loads, 3)
	for i, l := range loads {
		require.Equal(s, l.ID, got.Loads[i].ID)
		require.Equal(s, l.Kind, got.Loads[i].Kind)
		require.Equal(s, l.Epoch, got.Loads[i].Epoch)
		require.Equal(s, []string{l.Files[0].ID()}, got.Loads[i].FileIDs)
		require.Equal(s, l.Files[0].Location, got.Loads[i].LastName)
	}
}
