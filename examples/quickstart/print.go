package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

func printReport(out io.Writer, rep etl.Report) error {
	loads := 0
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "load\tfiles\tread\tinserted\tupdated\tdeleted\tunchanged\tsuperseded\trows in table\t")
	for _, t := range rep.Tables {
		for _, l := range t.Loads {
			c := l.Receipt.Counts
			fmt.Fprintf(w, "%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", l.Load.Kind, len(l.Load.Files),
				c.Read, c.Inserted, c.Updated, c.Deleted, c.Unchanged, c.Superseded, c.RowsAfter)
			loads++
		}
	}
	if loads == 0 {
		_, err := fmt.Fprintf(out, "   shown: %d, new: %d. Nothing to do.\n", rep.Listed, rep.Registered)
		return err
	}
	return w.Flush()
}

// farewell draws the table and tells where it is.
func (l *lake) farewell(ctx context.Context, out io.Writer) error {
	offenses, err := l.offenses(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nIncidents by offense, read from the table:\n\n")
	printBars(out, offenses)

	table, err := l.sink.Table(ctx, "mpd.incidents")
	if err != nil {
		return err
	}
	metadata := strings.TrimPrefix(table.MetadataLocation(), "file://")
	fmt.Fprintf(out, `
The table is at %s. Other programs can read it:

DuckDB
  INSTALL iceberg; LOAD iceberg;
  SELECT offense, count(*) FROM iceberg_scan('%s') GROUP BY ALL;

PyIceberg (pip install "pyiceberg[sql-sqlite,pyarrow]")
  from pyiceberg.catalog.sql import SqlCatalog
  lake = SqlCatalog("tidemark", uri="sqlite:///%s")
  print(lake.load_table("mpd.incidents").scan().to_arrow())

The command
  go run ./cmd/tidemark -c %s status
`, strings.TrimPrefix(table.Location(), "file://"), metadata,
		filepath.ToSlash(filepath.Join(l.dir, "catalog.db")), filepath.Join(l.dir, "tidemark.yaml"))
	return nil
}

// offenses counts the rows of the table by offense.
func (l *lake) offenses(ctx context.Context) (map[string]int, error) {
	counts := map[string]int{}
	for rec, err := range l.sink.Scan(ctx, "mpd.incidents") {
		if err != nil {
			return nil, err
		}
		for _, at := range rec.Schema().FieldIndices("offense") {
			offenses, ok := rec.Column(at).(array.StringLike)
			if !ok {
				return nil, fmt.Errorf("column offense is %v", rec.Column(at).DataType())
			}
			for i := range offenses.Len() {
				counts[offenses.Value(i)]++
			}
		}
	}
	return counts, nil
}

const barWidth = 50

func printBars(out io.Writer, counts map[string]int) {
	names := make([]string, 0, len(counts))
	most := 1
	for name, n := range counts {
		names = append(names, name)
		most = max(most, n)
	}
	slices.SortFunc(names, func(a, b string) int {
		return slices.Compare([]int{counts[b]}, []int{counts[a]})*2 + strings.Compare(a, b)
	})
	for _, name := range names {
		bar := strings.Repeat("█", max(1, counts[name]*barWidth/most))
		fmt.Fprintf(out, "  %-26s %5d %s\n", name, counts[name], bar)
	}
}
