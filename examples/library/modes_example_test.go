package library_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// Every row of every file, once: a log of calls, which have no key.
func Example_append() {
	show(etl.Table{
		Name: "mpd.calls", Mode: etl.ModeAppend,
		Columns: etl.Columns{{Name: "unit", Type: etl.String}, {Name: "minutes", Type: etl.Long}},
	}, "unit,minutes\nA1,5\nA1,5\n", "unit,minutes\nB2,7\n")
	// Output:
	// A1 5
	// A1 5
	// B2 7
}

// Deleted rows stay and are marked. An upsert that comes later clears the mark.
func Example_softDelete() {
	show(etl.Table{
		Name: "mpd.units", Mode: etl.ModeSoftDelete, Key: []string{"unit"}, Op: etl.OpColumn{Column: "Op"},
		Columns: etl.Columns{{Name: "unit", Type: etl.String}, {Name: "station", Type: etl.String}},
	}, "unit,station\nA1,North\nB2,South\n", "Op,unit,station\nD,A1,\nD,B2,\nU,B2,West\n")
	// Output:
	// A1 North true 2024-02-20T11:01:00Z
	// B2 West false (null)
}

// show loads files into a table, a minute apart, and prints its rows.
func show(table etl.Table, files ...string) {
	ctx, landing, lake := context.Background(), source.NewMemory(), sink.NewMemory()
	runner, err := etl.New(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake,
		Layout: format.DMS{}, Format: format.CSV{Header: true}, Tables: []etl.Table{table},
	})
	if err != nil {
		panic(err)
	}
	at := time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC)
	folder := strings.ReplaceAll(table.Name, ".", "/")
	for i, content := range files {
		name := folder + "/LOAD00000001.csv"
		if i > 0 {
			name = fmt.Sprintf("%s/20240220-11%02d00000.csv", folder, i)
		}
		landing.Put(name, []byte(content), at.Add(time.Duration(i)*time.Minute))
	}
	if _, err := runner.Ingest(ctx); err != nil {
		panic(err)
	}
	for rows, err := range lake.Scan(ctx, table.Name) {
		if err != nil {
			panic(err)
		}
		cells := make([]string, rows.NumCols())
		for i, col := range rows.Columns() {
			cells[i] = col.ValueStr(0)
		}
		fmt.Println(strings.Join(cells, " "))
	}
}
