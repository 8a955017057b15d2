package format_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

var (
	people    = etl.Table{Name: "crm.people", Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "name", Type: etl.String}}}
	incidents = etl.Table{Name: "mpd.incidents", Columns: etl.Columns{{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}, {Name: "at", Type: etl.Timestamp}}}
)

const transactions = `I,people,crm,1,Ada
I,incidents,mpd,7,THEFT,2024-02-20 11:08:25
U,"people","crm",1,"Ada, ""the"" Countess"
I,stops,mpd,nothing,that,"anybody
knows",4,5
D,incidents,mpd,7,,
I,people,hr,1,other
U,people,crm,2,Bob
`

// scanShare returns a table's rows as text, and the mistake that ended the scan.
func scanShare(t testing.TB, f etl.Format, table etl.Table, content []byte, req etl.ScanRequest) ([]string, error) {
	landing := source.NewMemory()
	in, err := landing.Open(t.Context(), landing.Put("cdc/x.csv", content))
	require.NoError(t, err)
	defer in.Close()
	req.Location = "x.csv"
	req.Columns = append(req.Columns, etl.ScanColumn{Column: etl.Column{Name: "Op", Type: etl.String}, Optional: req.Kind == etl.Full})
	for _, c := range table.Columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: c})
	}
	var out []string
	for rows, err := range f.Scan(t.Context(), in, req) {
		if err != nil {
			return out, err
		}
		for i, n := range rows.Numbers {
			line := fmt.Sprint(n)
			for _, col := range rows.Record.Columns() {
				line += "|" + col.ValueStr(i)
			}
			out = append(out, line)
		}
		for _, bad := range rows.Bad {
			out = append(out, fmt.Sprint("bad ", bad.Number))
		}
	}
	return out, nil
}

func TestTransactionsOfEachTable(t *testing.T) {
	req := etl.ScanRequest{Kind: etl.Incremental}
	f := format.DMSTransactions{}
	got, err := scanShare(t, f.ForTable(people), people, []byte(transactions), req)
	require.NoError(t, err)
	require.Equal(t, []string{"1|I|1|Ada", `3|U|1|Ada, "the" Countess`, "7|U|2|Bob"}, got)
	got, err = scanShare(t, f.ForTable(incidents), incidents, []byte(transactions), req)
	require.NoError(t, err)
	require.Equal(t, []string{"2|I|7|THEFT|2024-02-20T11:08:25", "5|D|7|(null)|(null)"}, got)

	units := people
	units.Name = "fire.units"
	got, err = scanShare(t, f.ForTable(units), units, []byte(transactions), req)
	require.NoError(t, err)
	require.Empty(t, got, "no row of the table is no mistake")
	got, err = scanShare(t, format.DMSTransactions{Schema: "hr", Table: "people"}.ForTable(people), people, []byte(transactions), req)
	require.NoError(t, err)
	require.Equal(t, []string{"6|I|1|other"}, got)

	shouting := []byte(strings.ReplaceAll(transactions, ",people,crm,", ",PEOPLE,Crm,"))
	got, err = scanShare(t, f.ForTable(people), people, shouting, req)
	require.NoError(t, err)
	require.Equal(t, []string{`3|U|1|Ada, "the" Countess`}, got, "case matters")
	got, err = scanShare(t, format.DMSTransactions{LowerCase: true}.ForTable(people), people, shouting, req)
	require.NoError(t, err)
	require.Len(t, got, 3)

	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	_, err = w.Write([]byte(transactions))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	got, err = scanShare(t, f.ForTable(people), people, zipped.Bytes(), etl.ScanRequest{Kind: etl.Incremental, Select: func(n int64) bool { return n > 3 }})
	require.NoError(t, err)
	require.Equal(t, []string{"7|U|2|Bob"}, got, "row numbers are the file's")
}

func TestTransactionsColumns(t *testing.T) {
	none := "-none-"
	f := format.DMSTransactions{CSV: format.CSV{Header: true, NotSupplied: &none}}.ForTable(people)
	got, err := scanShare(t, f, people, []byte("name,id\nAda,1\n"), etl.ScanRequest{Kind: etl.Full})
	require.NoError(t, err)
	require.Equal(t, []string{"1|(null)|1|Ada"}, got, "full loads have a header")
	got, err = scanShare(t, f, people, []byte(transactions), etl.ScanRequest{Kind: etl.Incremental})
	require.NoError(t, err)
	require.Len(t, got, 3, "transactions have none")
	require.True(t, f.Partial(etl.Incremental))
	require.False(t, f.Partial(etl.Full))
	require.False(t, format.DMSTransactions{}.ForTable(people).Partial(etl.Incremental))

	f = format.DMSTransactions{CSV: format.CSV{ChangeColumns: []string{"Op", "-", "id", "name"}}}.ForTable(people)
	got, err = scanShare(t, f, people, []byte("I,people,crm,2024-02-20 11:08:25,1,Ada\n"), etl.ScanRequest{Kind: etl.Incremental})
	require.NoError(t, err)
	require.Equal(t, []string{"1|I|1|Ada"}, got)

	_, err = scanShare(t, format.DMSTransactions{}, people, nil, etl.ScanRequest{Kind: etl.Incremental})
	require.Equal(t, etl.Terminal, etl.OutcomeOf(err), "which table's?")
}

func TestTransactionsBadInput(t *testing.T) {
	f := format.DMSTransactions{}.ForTable(people)
	for text, want := range map[string]string{
		"I,people,crm,1,Ada\nI,people,crm,secret,Bob\n":   "row 2 of x.csv: column id: not a long",
		"I,stops,mpd\nI,people,crm,1\n":                   "row 2 of x.csv: has 4 fields, expected 5",
		"I,people,crm,1,Ada\nI,secret\n":                  "row 2 of x.csv: has 2 fields, expected at least 3: operation, table and schema",
		"I,people,crm,1,Ada\n\"I\",\"people\"\n":          "row 2 of x.csv: has 2 fields, expected at least 3: operation, table and schema",
		"I,stops,mpd,\"secret\nI,people,crm,1,Ada\n":      "row 1 of x.csv: quote is not closed",
		"I,stops,mpd,\"secret\"x,\nI,people,crm,1,Ada\n":  "row 1 of x.csv: text after a closing quote",
		"I,people,crm,1,\"Ada\"\nI,people,crm,1,A,secret": "row 2 of x.csv: has 6 fields, expected 5",
	} {
		_, err := scanShare(t, f, people, []byte(text), etl.ScanRequest{Kind: etl.Incremental})
		require.EqualError(t, err, want)
	}
	got, err := scanShare(t, f, people, []byte("I,people,crm,x,Ada\nI,stops,mpd,x\nI,people,crm\nI,people,crm,2,Bob\nI,secret\n"),
		etl.ScanRequest{Kind: etl.Incremental, Tolerant: true})
	require.NoError(t, err)
	require.Equal(t, []string{"4|I|2|Bob", "bad 1", "bad 3", "bad 5"}, got)
}

// TestTransactionsInChunks: one chunk has what Scan gives, and full loads are cut as
// those of CSV.
func TestTransactionsInChunks(t *testing.T) {
	f := format.DMSTransactions{}.ForTable(people).(etl.ChunkedFormat)
	landing := source.NewMemory()
	for kind, want := range map[etl.LoadKind]int{etl.Incremental: 1, etl.Full: 4} {
		text := strings.Repeat("1,Ada\n", 40)
		if kind == etl.Incremental {
			text = transactions
		}
		in, err := landing.Open(t.Context(), landing.Put("x.csv", []byte(text)))
		require.NoError(t, err)
		scan, err := f.Chunks(t.Context(), in, etl.ScanRequest{Location: "x.csv", Kind: kind, ChunkBytes: 64, Columns: []etl.ScanColumn{{Column: people.Columns[0]}}}, nil)
		require.NoError(t, err)
		chunks, rows := 0, 0
		for {
			c, err := scan.Next()
			if err != nil {
				break
			}
			chunks++
			for r, err := range scan.Scan(t.Context(), c) {
				require.NoError(t, err)
				rows += len(r.Numbers)
			}
		}
		scan.Close()
		require.Equal(t, want, chunks, kind)
		require.Equal(t, map[etl.LoadKind]int{etl.Incremental: 3, etl.Full: 40}[kind], rows)
	}
}

func TestTransactionsLayout(t *testing.T) {
	l := format.DMS{Folders: 1, CdcPath: "raw/changes/"}
	for location, order := range map[string]string{
		"raw/changes/CDC_TXN-20201117153046033.csv":               "202011171530460330",
		"raw/changes/CDC_TXN-202011171530460331.csv.gz":           "202011171530460331",
		"raw/changes/2020/11/17/CDC_TXN-20201117153046033123.csv": "20201117153046033123",
	} {
		p, ok := l.Place(location)
		require.True(t, ok, location)
		require.Equal(t, etl.Placement{Mixed: true, Kind: etl.Incremental, Order: order}, p)
	}
	for _, location := range []string{
		"raw/CDC_TXN-20201117153046033.csv", "raw/changes/CDC_TXN-20201317153046033.csv", "raw/changes/CDC_TXN-2020111715304603.csv",
		"raw/changes/CDC_TXN-20201117153046033.parquet", "raw/changes/../CDC_TXN-20201117153046033.csv", "raw/changes/CDC_TXN-20201117153046033",
		"raw/changes/CDC_TXN-20201117153046033x.csv", "raw/changes/CDC_TXN-202011171530460331234.csv", "raw/changes2/CDC_TXN-20201117153046033.csv",
	} {
		_, ok := l.Place(location)
		require.False(t, ok, location)
	}
	p, ok := l.Place("raw/mpd/incidents/20201117-153046033.csv")
	require.True(t, ok)
	require.Equal(t, "202011171530460330", p.Order, "compares with those of transactions")

	mixed, err := format.NewPattern(format.Rule{Match: `t-(\d+)`, Mixed: true, Kind: etl.Incremental, Order: "${1}"})
	require.NoError(t, err)
	p, ok = format.FirstOf(l, format.Override{Layout: mixed}).Place("t-7")
	require.True(t, ok)
	require.Equal(t, etl.Placement{Mixed: true, Kind: etl.Incremental, Order: "7"}, p)
	p, ok = format.Override{Files: map[string]etl.Placement{"x": {Mixed: true, Kind: etl.Incremental}}}.Place("x")
	require.True(t, ok && p.Mixed)
	_, err = format.NewPattern(format.Rule{Match: "t", Mixed: true, Table: "a.b", Kind: etl.Incremental})
	require.ErrorContains(t, err, "files of several tables have no table")
}

func ExampleDMSTransactions() {
	location := "cdc/CDC_TXN-20240220110825123.csv"
	placed, _ := format.DMS{CdcPath: "cdc"}.Place(location)
	fmt.Println(placed.Mixed, placed.Kind)

	content := "I,incidents,mpd,7,THEFT\nI,people,crm,1,Ada\nD,incidents,mpd,8,\n"
	table := etl.Table{Name: "mpd.incidents", Columns: etl.Columns{{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}}}
	printed(location, content, format.DMSTransactions{}.ForTable(table), table.Columns...)
	// Output:
	// true incremental
	// [1 3] [7 8] ["THEFT" (null)]
}

// FuzzDMSTransactions: no input makes it panic, what is wrong with one is a RowError,
// and two tables never take the same row.
func FuzzDMSTransactions(f *testing.F) {
	f.Add([]byte(transactions))
	f.Add([]byte("I,\"peo\"\"ple\",crm,1,x\n\n\"I\",people,\"crm\"\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		taken := map[string]bool{}
		for _, table := range []etl.Table{people, incidents} {
			got, err := scanShare(t, format.DMSTransactions{}.ForTable(table), table, data, etl.ScanRequest{Kind: etl.Incremental})
			var re *etl.RowError
			if err != nil {
				require.ErrorAs(t, err, &re)
			}
			for _, line := range got {
				number, _, _ := strings.Cut(line, "|")
				require.False(t, taken[number])
				taken[number] = true
			}
		}
	})
}
