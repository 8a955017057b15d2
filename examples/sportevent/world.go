package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
	"github.com/tidemark-data/etl/transform"
)

// world is the landing place, the lake, and what keeps them in step.
type world struct {
	landing *source.Memory
	lake    *icebergsink.Sink
	control *control.Memory
	locker  *lock.Memory
	tables  []etl.Table // that files feed
	runner  *etl.Runner // of them
	follow  *follower
	clock   time.Time
}

func open(ctx context.Context, dir string, keys transform.KeyProvider) (*world, error) {
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: dir})
	if err != nil {
		return nil, err
	}
	w := &world{
		landing: source.NewMemory(), lake: lake, control: control.NewMemory(), locker: lock.NewMemory(), tables: base(keys),
		clock: time.Date(2024, 6, 1, 8, 0, 0, 0, time.UTC),
	}
	w.follow = &follower{w: w}
	w.runner, err = w.runnerOf(w.landing, w.tables...)
	return w, err
}

func (w *world) runnerOf(from etl.Source, tables ...etl.Table) (*etl.Runner, error) {
	return etl.New(etl.Config{
		Source: from, Control: w.control, Locker: w.locker, Sink: w.lake, Layout: format.DMS{}, Tables: tables,
	})
}

// land lets the files of a step land.
func (w *world) land(i int, s step) {
	w.clock = w.clock.Add(time.Hour)
	for table, text := range s.files {
		name := fmt.Sprintf("2024060%d-080000000.csv", i+1)
		if s.full {
			name = "LOAD00000001.csv"
		}
		w.landing.Put(strings.ReplaceAll(table, ".", "/")+"/"+name, []byte(text), w.clock)
	}
}

// ingest brings the tables that files feed into step with them, then the sales with
// those tables. The Runner of the sales is made anew, for its lookups read a table once.
func (w *world) ingest(ctx context.Context) ([]etl.Report, error) {
	first, err := w.runner.Ingest(ctx)
	if err != nil {
		return nil, err
	}
	runner, err := w.runnerOf(w.follow, denormalised(w))
	if err != nil {
		return nil, err
	}
	second, err := runner.Ingest(ctx)
	return []etl.Report{first, second}, err
}

func printLoads(out io.Writer, reports []etl.Report) {
	for _, rep := range reports {
		for _, t := range rep.Tables {
			for _, l := range t.Loads {
				c := l.Receipt.Counts
				fmt.Fprintf(out, "  %-14s %d inserted, %d updated, %d deleted, %d unchanged\n", t.Table,
					c.Inserted, c.Updated, c.Deleted+c.RemovedAsAbsent, c.Unchanged)
			}
		}
	}
}

func printTable(ctx context.Context, out io.Writer, lake *icebergsink.Sink, table string) error {
	rows, err := tableRows(ctx, lake, table)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if at := slices.Index(rows[0], "email_token"); len(row[at]) > 12 {
			row[at] = row[at][:8] + "..." // tokens have 52 characters
		}
		fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
	}
	return w.Flush()
}

// tableRows are the names of a table's columns and its rows in order, as texts.
func tableRows(ctx context.Context, lake *icebergsink.Sink, table string) ([][]string, error) {
	var rows [][]string
	err := texts(ctx, lake, table, "-", func(row []string) error {
		rows = append(rows, slices.Clone(row))
		return nil
	})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	slices.SortFunc(rows[1:], slices.Compare)
	return rows, nil
}
