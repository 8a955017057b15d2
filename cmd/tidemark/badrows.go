package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/tidemark-data/etl"
)

// badOptions are the flags of "bad".
type badOptions struct {
	raw, all, blind, remove bool
	note                    string
}

func badVerb() *verb {
	var o badOptions
	return &verb{
		name: "bad", args: "list|show|replay|drop <table> [id...]", short: "look after the rows that were set aside",
		about: `
Rows that could not be loaded are set aside where a table has bad_rows. An ID may be
cut short as long as it is the only one that begins so.

list shows those that wait to be mended; --all also those that were replayed, dropped
or overtaken by a later version of their key. show tells the rule that a row violates
and its place, and with --raw prints its bytes, which hold values. replay reads the
mended record from stdin, in the form of show --raw; the next ingest applies it at the
place in the order where the row stood. drop gives rows up; --remove deletes them with
their bytes.

Examples:
  tidemark bad list mpd.incidents
  tidemark bad show mpd.incidents 5f2c --raw > row.csv
  tidemark bad replay mpd.incidents 5f2c < row.csv && tidemark ingest
  tidemark bad drop mpd.incidents 5f2c 77a0 --note "test data"`,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&o.raw, "raw", false, "show: print the row's bytes and nothing else")
			set.BoolVar(&o.all, "all", false, "list: those that do not wait any more as well")
			set.BoolVar(&o.blind, "blind", false, "replay: also where nobody can tell whether the table has a later version")
			set.BoolVar(&o.remove, "remove", false, "drop: delete the rows for good")
			set.StringVar(&o.note, "note", "", "drop: `text` that says why")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) { return a.bad(ctx, o, args) },
	}
}

func (a *app) bad(ctx context.Context, o badOptions, args []string) (int, error) {
	if len(args) < 2 {
		return exitUsage, usagef("bad: say what to do (list, show, replay or drop) and name the table")
	}
	what, table, ids := args[0], args[1], args[2:]
	actions := map[string]func(context.Context, badOptions, string, []etl.QuarantinedRow) error{
		"show": a.showBad, "replay": a.replayBad, "drop": a.dropBad,
	}
	act, known := actions[what]
	switch {
	case !known && what != "list":
		return exitUsage, usagef("bad: %q is not list, show, replay or drop", what)
	case known && len(ids) == 0, (what == "show" || what == "replay") && len(ids) != 1:
		return exitUsage, usagef("bad %s: name the row by its ID", what)
	case what == "list" && len(ids) > 0:
		return exitUsage, usagef("bad list: one table at a time; %q is too much", ids[0])
	}
	if err := a.open(ctx); err != nil {
		return exitError, err
	}
	if _, err := a.tableNames([]string{table}); err != nil {
		return exitUsage, err
	}
	rows, err := a.badRows(ctx, table)
	if err != nil {
		return exitError, err
	}
	if what == "list" {
		return exitOK, a.listBad(rows, o.all)
	}
	chosen, err := chooseBad(rows, ids)
	if err != nil {
		return exitUsage, err
	}
	err = act(ctx, o, table, chosen)
	if errors.Is(err, etl.ErrLocked) {
		return exitWaits, fmt.Errorf("another process works on %s: %w", clean(table), err)
	}
	return exitOK, err
}

func (a *app) badRows(ctx context.Context, table string) ([]etl.QuarantinedRow, error) {
	var rows []etl.QuarantinedRow
	for row, err := range a.runner.BadRows(ctx, table) {
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// chooseBad finds rows by IDs that may be cut short.
func chooseBad(rows []etl.QuarantinedRow, ids []string) ([]etl.QuarantinedRow, error) {
	var out []etl.QuarantinedRow
	for _, id := range ids {
		var found []etl.QuarantinedRow
		for _, row := range rows {
			if id != "" && len(id) <= len(row.ID) && row.ID[:len(id)] == id {
				found = append(found, row)
			}
		}
		if len(found) != 1 {
			return nil, usagef("%d bad rows begin with %q", len(found), id)
		}
		out = append(out, found[0])
	}
	return out, nil
}

// badDoc is a bad row without its bytes.
type badDoc struct {
	ID      string           `json:"id"`
	Table   string           `json:"table"`
	Status  etl.BadRowStatus `json:"status"`
	File    string           `json:"file"`
	Row     int64            `json:"row"`
	Column  string           `json:"column,omitempty"`
	Rule    string           `json:"rule"`
	Origin  *etl.BadPlace    `json:"origin,omitempty"`
	LoadID  string           `json:"load_id"`
	Epoch   int64            `json:"epoch"`
	InTable bool             `json:"in_table"`
	KeyRead bool             `json:"key_known"`
	Bytes   int              `json:"bytes"`
	Note    string           `json:"note,omitempty"`
	At      time.Time        `json:"at"`
}

func docOfBad(r etl.QuarantinedRow) badDoc {
	return badDoc{
		ID: r.ID, Table: r.Table, Status: r.Status, File: r.File, Row: r.Row, Column: r.Column, Rule: r.Rule, Origin: r.Origin,
		LoadID: r.LoadID, Epoch: r.Epoch, InTable: r.InTable, KeyRead: r.Key != nil, Bytes: len(r.Raw), Note: r.Note, At: r.At,
	}
}

func (a *app) listBad(rows []etl.QuarantinedRow, all bool) error {
	if !all {
		rows = slices.DeleteFunc(rows, func(r etl.QuarantinedRow) bool { return r.Status != etl.BadOpen })
	}
	if a.json {
		docs := []badDoc{}
		for _, r := range rows {
			docs = append(docs, docOfBad(r))
		}
		return a.printJSON(struct {
			Rows []badDoc `json:"rows"`
		}{docs})
	}
	g := newGrid("ID", "STATUS", "FILE", ">ROW", "COLUMN", "RULE", "NOTE")
	for _, r := range rows {
		note := r.Note
		if !r.InTable {
			note = "its load is not in the table"
		}
		g.add(r.ID[:min(8, len(r.ID))], string(r.Status), clean(r.File), number(r.Row), clean(r.Column), clean(r.Rule), clean(note))
	}
	return g.write(a.stdout)
}

func (a *app) showBad(_ context.Context, o badOptions, _ string, rows []etl.QuarantinedRow) error {
	row := rows[0]
	if o.raw {
		if row.Raw == nil {
			return errors.New("the bytes of the row are not kept: its format does not give them")
		}
		_, err := a.stdout.Write(append(slices.Clone(row.Raw), '\n'))
		return err
	}
	if a.json {
		return a.printJSON(docOfBad(row))
	}
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(a.stdout, "%-8s %s\n", name, clean(value))
		}
	}
	line("id", row.ID)
	line("status", string(row.Status))
	line("file", row.File)
	line("row", strconv.FormatInt(row.Row, 10))
	line("column", row.Column)
	line("rule", row.Rule)
	if row.Origin != nil {
		line("mends", fmt.Sprintf("row %d of %s", row.Origin.Row, row.Origin.File))
	}
	line("load", row.LoadID)
	line("at", moment(row.At))
	line("bytes", strconv.Itoa(len(row.Raw)))
	line("note", row.Note)
	return nil
}

// maxMended is the greatest size of a mended record.
const maxMended = 64 << 20

func (a *app) replayBad(ctx context.Context, o badOptions, table string, rows []etl.QuarantinedRow) error {
	mended, err := io.ReadAll(io.LimitReader(a.stdin, maxMended+1))
	if err != nil {
		return fmt.Errorf("read the mended record from stdin: %w", err)
	}
	if len(mended) > maxMended || len(bytes.TrimSpace(mended)) == 0 {
		return usagef("bad replay: stdin must hold the mended record, of at most %s", bytesText(maxMended))
	}
	var options []etl.ReplayOption
	if o.blind {
		options = append(options, etl.ReplayBlind())
	}
	if err := a.runner.ReplayBad(ctx, table, rows[0].ID, mended, options...); err != nil {
		return err
	}
	return a.afterwards(ctx, table, "has the mended row")
}

func (a *app) dropBad(ctx context.Context, o badOptions, table string, rows []etl.QuarantinedRow) error {
	ids := make([]string, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
	}
	if o.remove {
		if err := a.runner.RemoveBad(ctx, table, ids...); err != nil {
			return err
		}
		return a.afterwards(ctx, table, "has "+plural(len(ids), "bad row")+" removed")
	}
	if err := a.runner.DropBad(ctx, table, o.note, ids...); err != nil {
		return err
	}
	return a.afterwards(ctx, table, "has "+plural(len(ids), "bad row")+" dropped")
}
