package etl_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink"
	"github.com/tidemark-data/etl/source"
)

// A table of all versions. The second change of officer 7 comes late and takes its place
// before the other one; officer 8 leaves.
func ExampleTable_history() {
	ctx := context.Background()
	landing, lake := source.NewMemory(), sink.NewMemory()
	runner, err := etl.New(etl.Config{
		Source: landing, Control: control.NewMemory(), Locker: lock.NewMemory(), Sink: lake, Layout: format.DMS{},
		Tables: []etl.Table{{
			Name: "mpd.officers", Mode: etl.ModeHistory, Key: []string{"badge"}, OrderBy: []string{"changed_at"},
			Columns: etl.Columns{{Name: "badge", Type: etl.Long}, {Name: "station", Type: etl.String}, {Name: "changed_at", Type: etl.Timestamp}},
			Op:      etl.OpColumn{Column: "Op"},
			Format: format.CSV{
				FullColumns: []string{"badge", "station", "changed_at"}, ChangeColumns: []string{"Op", "badge", "station", "changed_at"},
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i, file := range []struct{ name, text string }{
		{"LOAD00000001.csv", "7,first,2024-02-01 08:00:00\n8,first,2024-02-01 08:00:00\n"},
		{"20240220-110000000.csv", "U,7,third,2024-02-03 08:00:00\nD,8,,2024-02-04 08:00:00\n"},
		{"20240220-110001000.csv", "U,7,second,2024-02-02 08:00:00\n"},
	} {
		landing.Put("mpd/officers/"+file.name, []byte(file.text), time.Date(2024, 2, 20, 11, i, 0, 0, time.UTC))
		if _, err := runner.Ingest(ctx); err != nil {
			fmt.Println(err)
			return
		}
	}
	rows, err := etltest.ReadRows(ctx, lake, "mpd.officers")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("[badge station changed_at valid_from valid_to is_current is_deleted]")
	for _, row := range rows.Sorted() {
		fmt.Println(strings.NewReplacer("2024-", "", " 08:00:00", "").Replace(fmt.Sprint(row)))
	}
	// Output:
	// [badge station changed_at valid_from valid_to is_current is_deleted]
	// [7 first 02-01 02-01 02-02 false false]
	// [7 second 02-02 02-02 02-03 false false]
	// [7 third 02-03 02-03 <nil> true false]
	// [8 first 02-01 02-01 02-04 false false]
	// [8 first 02-04 02-04 <nil> true true]
}
