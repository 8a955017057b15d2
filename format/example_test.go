package format_test

import (
	"context"
	"fmt"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/source"
)

func ExampleDMS() {
	layout := format.DMS{Folders: 1}
	for _, location := range []string{
		"raw/mpd/incidents/LOAD0000000A.csv",
		"raw/mpd/incidents/2024/02/20/20240220-110825123.csv.gz",
		"raw/mpd/incidents/notes.txt",
	} {
		p, ok := layout.Place(location)
		fmt.Println(ok, p.Kind, p.Table, p.Order)
	}
	// Output:
	// true full mpd.incidents 0000000000000010-0000000000
	// true incremental mpd.incidents 202402201108251230
	// false unknown
}

func ExampleNewPattern() {
	layout, err := format.NewPattern(
		format.Rule{Match: `exports/(?<table>\w+)/full\.csv`, Table: "crm.${table}", Kind: etl.Full},
		format.Rule{
			Match: `exports/(?<table>\w+)/delta-(?<n>\d+)\.csv`, Table: "crm.${table}",
			Kind: etl.Incremental, Order: "${n}", OrderAs: format.OrderDecimal,
		},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	nine, _ := layout.Place("exports/people/delta-9.csv")
	ten, _ := layout.Place("exports/people/delta-10.csv")
	fmt.Println(nine.Table, nine.Kind, nine.Order < ten.Order)
	// Output: crm.people incremental true
}

func ExampleCSV() {
	landing := source.NewMemory()
	file := landing.Put("mpd/incidents/20240220-110825123.csv", []byte("U,7,\"THEFT, first degree\"\nD,8,\n"))

	ctx := context.Background()
	in, err := landing.Open(ctx, file)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	csv := format.CSV{FullColumns: []string{"ccn", "offense"}, ChangeColumns: []string{"Op", "ccn", "offense"}}
	req := etl.ScanRequest{Location: file.Location, Kind: etl.Incremental, Columns: []etl.ScanColumn{
		{Column: etl.Column{Name: "ccn", Type: etl.Long}},
		{Column: etl.Column{Name: "offense", Type: etl.String}},
	}}
	for rows, err := range csv.Scan(ctx, in, req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(rows.Numbers, rows.Record.Column(0), rows.Record.Column(1))
	}
	// Output: [1 2] [7 8] ["THEFT, first degree" (null)]
}

func ExampleJSONLines() {
	content := `{"stop_id":7,"reason":"SPEED"}` + "\n" + `{"reason":null,"stop_id":"8","lanes":[1,2]}` + "\n"
	printed("stops/1.json", content, format.JSONLines{}, etl.Column{Name: "stop_id", Type: etl.Long}, etl.Column{Name: "reason", Type: etl.String})
	// Output: [1 2] [7 8] ["SPEED" (null)]
}

func ExampleDebezium() {
	content := `{"before":null,"after":{"id":7,"paid":1708427305123},"source":{"lsn":901},"op":"c","ts_ms":1708427306000}` + "\n" +
		`{"before":{"id":7,"paid":null},"after":null,"source":{"lsn":902},"op":"d","ts_ms":1708427307000}` + "\n" +
		"null\n"
	printed("shop.orders/0.json", content, format.Debezium{Unit: format.Millis},
		etl.Column{Name: "__op", Type: etl.String}, etl.Column{Name: "__source_lsn", Type: etl.Long},
		etl.Column{Name: "id", Type: etl.Long}, etl.Column{Name: "paid", Type: etl.Timestamp})
	// Output: [1 2] ["c" "d"] [901 902] [7 7] [1708427305123000 (null)]
}

// printed prints the rows of a file.
func printed(location, content string, f etl.Format, columns ...etl.Column) {
	ctx := context.Background()
	landing := source.NewMemory()
	in, err := landing.Open(ctx, landing.Put(location, []byte(content)))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Close()
	req := etl.ScanRequest{Location: location, Kind: etl.Incremental}
	for _, c := range columns {
		req.Columns = append(req.Columns, etl.ScanColumn{Column: c})
	}
	for rows, err := range f.Scan(ctx, in, req) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(rows.Numbers)
		for _, col := range rows.Record.Columns() {
			fmt.Print(" ", col)
		}
		fmt.Println()
	}
}
