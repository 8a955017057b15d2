package library_test

import (
	"context"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

func Example() {
	ctx, landing, lake := context.Background(), source.NewMemory(), sink.NewMemory()
	runner, err := etl.New(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake,
		Layout: format.DMS{}, Format: format.CSV{Header: true},
		Tables: []etl.Table{{
			Name: "mpd.incidents", Key: []string{"ccn"}, Op: etl.OpColumn{Column: "Op"},
			Columns: etl.Columns{{Name: "ccn", Type: etl.String}, {Name: "offense", Type: etl.String}},
		}},
	})
	if err != nil {
		panic(err)
	}
	landing.Put("mpd/incidents/LOAD00000001.csv", []byte("ccn,offense\n1,THEFT\n2,ARSON\n"))
	landing.Put("mpd/incidents/20240220-110825123.csv", []byte("Op,ccn,offense\nU,1,ROBBERY\nD,2,\nI,3,BURGLARY\n"))
	report, err := runner.Ingest(ctx) // register what has landed, then work it off
	if err != nil {
		panic(err)
	}

	for _, l := range report.Tables[0].Loads {
		c := l.Receipt.Counts
		fmt.Printf("%v: %d inserted, %d updated, %d deleted\n", l.Load.Kind, c.Inserted, c.Updated, c.Deleted)
	}
	for rows, err := range lake.Scan(ctx, "mpd.incidents") {
		if err != nil {
			panic(err)
		}
		fmt.Println(rows.Column(0).ValueStr(0), rows.Column(1).ValueStr(0))
	}
	// Output:
	// full: 2 inserted, 0 updated, 0 deleted
	// incremental: 1 inserted, 1 updated, 1 deleted
	// 1 ROBBERY
	// 3 BURGLARY
}
