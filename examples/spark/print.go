package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

// printReport tells of the loads: under which flag, in which job, and what became
// of the rows.
func (l *lake) printReport(ctx context.Context, out io.Writer, rep etl.Report) error {
	for _, t := range rep.Tables {
		st, err := l.runner.Status(ctx, t.Table)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "   table %s, flag %s: %s\n", t.Table, st.State.Flag, t.Reason)
		for _, load := range t.Loads {
			if err := l.printLoad(ctx, out, load); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *lake) printLoad(ctx context.Context, out io.Writer, load etl.AppliedLoad) error {
	for e, err := range l.runner.History(ctx, load.Load.Table) {
		if err != nil {
			return err
		}
		if e.LoadID == load.Load.ID && e.Job != nil {
			fmt.Fprintf(out, "   job %s on %s took %v\n", e.Job.JobID, e.Job.Engine, load.Took.Round(100*time.Millisecond))
			break
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	c := load.Receipt.Counts
	fmt.Fprintln(w, "load\tfiles\tread\tinserted\tupdated\tdeleted\tunchanged\tsuperseded\trows in table\t")
	fmt.Fprintf(w, "%v\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", load.Load.Kind, len(load.Load.Files),
		c.Read, c.Inserted, c.Updated, c.Deleted, c.Unchanged, c.Superseded, c.RowsAfter)
	return w.Flush()
}

// farewell reads the table back and tells where everything is.
func (l *lake) farewell(ctx context.Context, out io.Writer) error {
	rows := int64(0)
	fmt.Fprintf(out, "\nSome rows, read back in this process:\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for rec, err := range l.sink.Scan(ctx, "mpd.incidents") {
		if err != nil {
			return err
		}
		for i := 0; rows == 0 && i < min(5, int(rec.NumRows())); i++ {
			for _, name := range []string{"ccn", "report_dat", "offense", "block"} {
				fmt.Fprintf(w, "  %s\t", text(rec.Column(rec.Schema().FieldIndices(name)[0]), i))
			}
			fmt.Fprintln(w)
		}
		rows += rec.NumRows()
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%d rows in all. The tables are in %s, what the jobs were given and said in %s.\n",
		rows, filepath.Join(l.dir, "warehouse"), filepath.Join(l.dir, "jobs"))
	return err
}

func text(column interface {
	IsNull(int) bool
	ValueStr(int) string
}, i int) string {
	if column.IsNull(i) {
		return array.NullValueStr
	}
	return column.ValueStr(i)
}
