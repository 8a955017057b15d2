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
