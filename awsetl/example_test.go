package awsetl_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/awsetl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// A function over stores in memory, as unit tests have it. On AWS the handler
// comes from New, and goes into lambda.Start.
func ExampleHandler_Handle() {
	landing := source.NewMemory()
	handler, err := awsetl.NewHandler(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: sink.NewMemory(),
		Layout: format.DMS{},
		Tables: []etl.Table{{
			Name: "mpd.incidents", Key: []string{"ccn"}, OrderBy: []string{"seq"}, Op: etl.OpColumn{Column: "op"},
			Columns: etl.Columns{{Name: "ccn", Type: etl.Long}, {Name: "offense", Type: etl.String}, {Name: "seq", Type: etl.Long}},
			Format:  format.CSV{ChangeColumns: []string{"op", "ccn", "offense", "seq"}},
		}},
	}, awsetl.Parts{Bucket: "raw"})
	if err != nil {
		fmt.Println(err)
		return
	}
	landing.Put("mpd/incidents/20240220-110825123.csv", []byte("I,1,THEFT,1\nI,2,ARSON,2\n"))
	answer, err := handler.Handle(context.Background(), json.RawMessage(`{
		"source": "aws.s3", "detail-type": "Object Created",
		"detail": {"bucket": {"name": "raw"}, "object": {"key": "mpd/incidents/20240220-110825123.csv"}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	table := answer.(awsetl.Answer).Tables[0]
	fmt.Println(table.Table, table.Loads[0].Counts.Inserted, "rows:", table.Reason)
	// Output: mpd.incidents 2 rows: nothing is pending
}
