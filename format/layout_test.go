package format_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

func TestDMSPlaces(t *testing.T) {
	for _, c := range []struct {
		folders  int
		location string
		table    string
		kind     etl.LoadKind
		order    string
	}{
		{0, "mpd/incidents/LOAD00000001.csv", "mpd.incidents", etl.Full, "0000000000000001-0000000000"},
		{0, "mpd/incidents/LOAD001.csv.gz", "mpd.incidents", etl.Full, "0000000000000001-0000000000"},
		{0, "mpd/incidents/LOAD0000001F.parquet", "mpd.incidents", etl.Full, "0000000000000031-0000000000"},
		{0, "mpd/incidents/SEGMENT12_LOAD0000000A.csv.zst", "mpd.incidents", etl.Full, "0000000000000010-0000000012"},
		{2, "raw/2024/mpd/incidents/part-7/LOAD00000002.json", "mpd.incidents", etl.Full, "0000000000000002-0000000000"},
		{0, "mpd/incidents/20240220-110825123.csv", "mpd.incidents", etl.Incremental, "202402201108251230"},
		{0, "mpd/incidents/20240220-1108251234.csv", "mpd.incidents", etl.Incremental, "202402201108251234"},
		{0, "mpd/incidents/2024/02/20/20240220-110825123.csv", "mpd.incidents", etl.Incremental, "202402201108251230"},
		{0, "mpd/incidents/20240220/20240220-110825123.csv", "mpd.incidents", etl.Incremental, "202402201108251230"},
		{0, "mpd/incidents/2024_02_20/20240229-000000000.csv", "mpd.incidents", etl.Incremental, "202402290000000000"},
		{1, "folder with space/a+b/ü/20240220-110825123.csv", "a+b.ü", etl.Incremental, "202402201108251230"},
	} {
		p, ok := format.DMS{Folders: c.folders}.Place(c.location)
		require.True(t, ok, c.location)
		require.Equal(t, etl.Placement{Table: c.table, Kind: c.kind, Order: c.order}, p, c.location)
	}
	p, _ := format.DMS{LowerCase: true}.Place("HR/EMP/LOAD00000001.csv")
	require.Equal(t, "hr.emp", p.Table)
}

func TestDMSDoesNotGuess(t *testing.T) {
	for _, location := range []string{
		"", "/", "LOAD00000001.csv", "incidents/LOAD00000001.csv", "/mpd/incidents/LOAD00000001.csv",
		"mpd//incidents/LOAD00000001.csv", "mpd/../LOAD00000001.csv", "../incidents/LOAD00000001.csv", "./a/LOAD001.csv",
		"mpd/in.cidents/LOAD00000001.csv", "mpd/incidents/LOAD01.csv", "mpd/incidents/LOAD000000001.csv",
		"mpd/incidents/LOAD0000000g.csv", "mpd/incidents/LOAD0000000a.csv", "mpd/incidents/LOAD+001.csv", "mpd/incidents/LOAD0_01.csv",
		"mpd/incidents/LOAD00000001", "mpd/incidents/LOAD00000001.csv.bz2", "mpd/incidents/LOAD00000001.CSV", "mpd/incidents/LOAD00000001.csv.tmp",
		"mpd/incidents/SEGMENT_LOAD00000001.csv", "mpd/incidents/SEGMENT1LOAD00000001.csv", "mpd/incidents/SEGMENT99999999999_LOAD001.csv",
		"mpd/incidents/20241320-110825123.csv", "mpd/incidents/20240230-110825123.csv", "mpd/incidents/20230229-110825123.csv",
		"mpd/incidents/20240220-240825123.csv", "mpd/incidents/20240220-116025123.csv", "mpd/incidents/20240220-110860123.csv",
		"mpd/incidents/20240220-11082512.csv", "mpd/incidents/20240220-11082512345.csv", "mpd/incidents/00000101-000000000.csv",
		"mpd/incidents/20240220_110825123.csv", "mpd/incidents/2024022x-110825123.csv",
		"mpd/CDC_TXN-00000000000000000000.csv", "mpd/incidents/CDC_TXN-00000000000000000001.csv", "m\xff/incidents/LOAD00000001.csv",
	} {
		p, ok := format.DMS{}.Place(location)
		require.False(t, ok, location)
		require.Zero(t, p, location)
	}
	_, ok := format.DMS{Folders: 1}.Place("mpd/incidents/LOAD00000001.csv")
	require.False(t, ok, "the depth is the configured one")
	_, ok = format.DMS{Folders: -1}.Place("mpd/incidents/LOAD00000001.csv")
	require.False(t, ok)
}

func TestDMSOrdersAsNumbersAndTimes(t *testing.T) {
	for _, want := range [][]string{
		{"LOAD009.csv", "LOAD00F.csv", "LOAD00000010.csv", "LOAD0FFFFF.csv", "SEGMENT2_LOAD100000.csv", "SEGMENT10_LOAD100000.csv", "LOADFFFFFFFF.csv"},
		{"20231231-235959999.csv", "20240101-000000001.csv", "20240101-0000000011.csv", "20240101-000000002.csv", "2024/01/02/20240102-000000000.csv"},
	} {
		var orders []string
		for _, name := range want {
			p, ok := format.DMS{}.Place("s/t/" + name)
			require.True(t, ok, name)
			orders = append(orders, p.Order)
		}
		require.True(t, slices.IsSorted(orders), "%q", orders)
		require.Len(t, slices.Compact(orders), len(want))
	}
}

var (
	naiveLoad   = regexp.MustCompile(`^(?:SEGMENT(\d{1,10})_)?LOAD([0-9A-F]{3,8})\.(csv|csv\.gz|csv\.zst|json|json\.gz|json\.zst|parquet)$`)
	naiveChange = regexp.MustCompile(`^(\d{8})-(\d{6})(\d{3,4})\.(csv|csv\.gz|csv\.zst|json|json\.gz|json\.zst|parquet)$`)
)

// naiveDMS is the layout once more, in other terms: the rank is the counter and
// segment, or the time.
func naiveDMS(folders int, location string) (table string, kind etl.LoadKind, rank [2]int64) {
	parts := strings.Split(location, "/")
	if !utf8.ValidString(location) || len(parts) < folders+3 || slices.Contains(parts, "") || slices.Contains(parts, ".") || slices.Contains(parts, "..") {
		return "", etl.Unknown, rank
	}
	name, file := parts[folders+1], parts[len(parts)-1]
	if strings.Contains(name, ".") {
		return "", etl.Unknown, rank
	}
	table = parts[folders] + "." + name
	if m := naiveLoad.FindStringSubmatch(file); m != nil {
		rank[0], _ = strconv.ParseInt(m[2], 16, 64)
		rank[1], _ = strconv.ParseInt(m[1], 10, 64)
		return table, etl.Full, rank
	}
	if m := naiveChange.FindStringSubmatch(file); m != nil {
		at, err := time.Parse("20060102 150405.0000", m[1]+" "+m[2]+"."+(m[3] + "0")[:4])
		if err == nil && at.Year() > 0 {
			return table, etl.Incremental, [2]int64{at.Unix(), int64(at.Nanosecond())}
		}
	}
	return "", etl.Unknown, rank
}

func FuzzDMS(f *testing.F) {
	f.Add(0, "s/t/LOAD00000009.csv", "s/t/SEGMENT1_LOAD0010.parquet")
	f.Add(1, "f/s/t/2024/02/29/20240229-110825123.csv.gz", "f/s/t/20240301-1108251234.csv")
	f.Add(2, "a/b/c/d/20240230-110825123.csv", "x/../s/LOAD001.csv")
	f.Fuzz(func(t *testing.T, folders int, a, b string) {
		folders = max(0, folders%5)
		var orders []string
		var kinds []etl.LoadKind
		var ranks [][2]int64
		for _, location := range []string{a, b} {
			table, kind, rank := naiveDMS(folders, location)
			p, ok := format.DMS{Folders: folders}.Place(location)
			require.Equal(t, kind != etl.Unknown, ok, "%q", location)
			require.Equal(t, kind, p.Kind, "%q", location)
			if ok {
				require.Equal(t, table, p.Table, "%q", location)
			}
			orders, kinds, ranks = append(orders, p.Order), append(kinds, kind), append(ranks, rank)
		}
		if kinds[0] == kinds[1] {
			require.Equal(t, slices.Compare(ranks[0][:], ranks[1][:]), strings.Compare(orders[0], orders[1]), "%q %q", a, b)
		}
	})
}

func TestPattern(t *testing.T) {
	p, err := format.NewPattern(
		format.Rule{Match: `(?<schema>\w+)/(?<table>\w+)/full_(?<n>\d+)(_part(?<part>\d+))?\.csv`, Table: "${schema}.${table}", Kind: etl.Full, Order: "${n}/${part}", OrderAs: format.OrderDecimal},
		format.Rule{Match: `(?<schema>\w+)/(?<table>\w+)/(?<n>[0-9a-fA-F]+)\.csv`, Table: "${schema}.${2}", Kind: etl.Incremental, Order: "${n}", OrderAs: format.OrderHex},
		format.Rule{Match: `.*/(?<ts>\d{4}.*)\.json|never`, Table: "raw.events", Kind: etl.Incremental, Order: "${ts}"},
	)
	require.NoError(t, err)
	order := func(location string) string {
		got, ok := p.Place(location)
		require.True(t, ok, location)
		return got.Order
	}
	got, _ := p.Place("s/t/full_10.csv")
	require.Equal(t, "s.t", got.Table)
	require.Equal(t, etl.Full, got.Kind)
	require.Less(t, order("s/t/full_9.csv"), order("s/t/full_10.csv"))
	require.Less(t, order("s/t/full_10.csv"), order("s/t/full_010_part2.csv"))
	require.Less(t, order("s/t/full_10_part9.csv"), order("s/t/full_10_part10.csv"))
	require.Less(t, order("s/t/ff.csv"), order("s/t/100.csv"))
	require.Equal(t, order("s/t/FF.csv"), order("s/t/0ff.csv"))
	require.Equal(t, "2024-02-20", order("any/where/2024-02-20.json"))

	for _, location := range []string{"x/s/t/full_10.csv", "s/t/full_10.csv.tmp", "s/t/full_" + strings.Repeat("9", 41) + ".csv", "never", "", "s/t/2024\n.json"} {
		got, ok := p.Place(location)
		if location == "never" { // its group took no part
			require.True(t, ok)
			require.Empty(t, got.Order)
			continue
		}
		require.False(t, ok, location)
	}
}

func TestPatternReportsEveryBadRule(t *testing.T) {
	_, err := format.NewPattern(
		format.Rule{Match: "(", Table: "a.b", Kind: etl.Full},
		format.Rule{Match: "a)|(b", Table: "a.b", Kind: etl.Full},
		format.Rule{Match: "(a)", Table: "${2}.x", Kind: etl.Full},
		format.Rule{Match: "a", Table: "${x", Kind: etl.Full},
		format.Rule{Match: "a", Table: "a.b", Order: "${nope}", Kind: etl.Full},
		format.Rule{Match: "a", Table: "a.b"},
		format.Rule{Match: "a", Kind: etl.Full},
	)
	for i := range 7 {
		require.ErrorContains(t, err, "rule "+strconv.Itoa(i+1)+": ")
	}
	_, err = format.NewPattern()
	require.Error(t, err)
	p, err := format.NewPattern(format.Rule{Match: "(?<s>x?)/y", Table: "${s}.y", Kind: etl.Full})
	require.NoError(t, err)
	_, ok := p.Place("/y")
	require.False(t, ok, "no table has an empty name")
}

func FuzzPattern(f *testing.F) {
	f.Add(`(?<a>\d+)`, "s.${a}", "${a}", uint8(1), "9", "10")
	f.Add(`(?<a>[0-9a-f]+)`, "${1}.x", "${a}", uint8(2), "ff", "100")
	f.Add(`(a)|(b`, "${", "${1}", uint8(0), "a", "")
	f.Fuzz(func(t *testing.T, match, table, order string, as uint8, a, b string) {
		p, err := format.NewPattern(format.Rule{Match: match, Table: table, Kind: etl.Full, Order: order, OrderAs: format.OrderAs(as)})
		if err != nil {
			return
		}
		pa, oka := p.Place(a)
		pb, okb := p.Place(b)
		x, errx := strconv.ParseUint(a, 10, 64)
		y, erry := strconv.ParseUint(b, 10, 64)
		whole := match == `(?<a>\d+)` && order == "${a}" && format.OrderAs(as) == format.OrderDecimal
		if oka && okb && whole && errx == nil && erry == nil {
			require.Equal(t, x < y, pa.Order < pb.Order)
		}
		require.Equal(t, oka, pa != etl.Placement{} && pa.Table != "")
	})
}

func TestOverrideAndFirstOf(t *testing.T) {
	byHand := etl.Placement{Table: "a.b", Kind: etl.Full, Order: "7"}
	l := format.Override{
		Files:  map[string]etl.Placement{"odd": byHand, "s/t/LOAD00000001.csv": {}},
		Layout: format.FirstOf(format.DMS{Folders: 1}, format.DMS{}),
	}
	p, ok := l.Place("odd")
	require.True(t, ok)
	require.Equal(t, byHand, p)
	_, ok = l.Place("s/t/LOAD00000001.csv")
	require.False(t, ok, "the zero placement sets a file aside")
	p, ok = l.Place("s/t/LOAD00000002.csv")
	require.True(t, ok)
	require.Equal(t, "s.t", p.Table)
	p, _ = l.Place("f/s/t/LOAD00000002.csv")
	require.Equal(t, "s.t", p.Table, "the first layout that knows the location")
	_, ok = l.Place("nothing")
	require.False(t, ok)
	_, ok = format.Override{}.Place("nothing")
	require.False(t, ok)
}
