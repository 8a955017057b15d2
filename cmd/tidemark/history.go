package main

import (
	"context"
	"flag"
	"slices"

	"github.com/tidemark-data/etl"
)

func historyVerb() *verb {
	limit := 20
	return &verb{
		name: "history", args: "[table...]", short: "show what happened to the tables, newest first",
		about: `
Lists loads applied and failed, jobs submitted and ended, full loads opened, and
what operators did. ENGINE is where a load ran: L in a process like this one, G on
another engine; why there, and the job's name, follow the text.

Examples:
  tidemark history mpd.incidents
  tidemark history -n 100 --json`,
		flags: func(set *flag.FlagSet) {
			set.IntVar(&limit, "n", 20, "show at most `n` entries; 0 is all")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			if limit < 0 {
				return exitUsage, usagef("history: -n must not be negative")
			}
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			names, err := a.tableNames(args)
			if err != nil {
				return exitUsage, err
			}
			if len(args) == 0 {
				names = append(names, "")
			}
			entries, err := a.history(ctx, names, limit)
			if err != nil {
				return exitError, err
			}
			return exitOK, a.printHistory(entries)
		},
	}
}

func (a *app) history(ctx context.Context, tables []string, limit int) ([]etl.Entry, error) {
	entries := []etl.Entry{}
	for _, table := range tables {
		n := 0
		for e, err := range a.runner.History(ctx, table) {
			if err != nil {
				return nil, err
			}
			if limit > 0 && n == limit {
				break
			}
			entries = append(entries, e)
			n++
		}
	}
	slices.SortStableFunc(entries, func(x, y etl.Entry) int { return y.At.Compare(x.At) })
	if limit > 0 && len(entries) > limit {
		entries = entries[:limit]
	}
	return entries, nil
}

func (a *app) printHistory(entries []etl.Entry) error {
	if a.json {
		docs := []entryDoc{}
		for _, e := range entries {
			docs = append(docs, entryDoc{Entry: e, TookSeconds: e.Took.Seconds()})
		}
		return a.printJSON(struct {
			Entries []entryDoc `json:"entries"`
		}{docs})
	}
	g := newGrid("AT", "TABLE", "WHAT", "ENGINE", ">EPOCH", ">ROWS", ">TOOK", "TEXT")
	for _, e := range entries {
		rows := ""
		if e.Receipt != nil {
			rows = number(e.Receipt.Counts.Read)
		}
		table, spent := e.Table, ""
		if table == "" {
			table = "-"
		}
		if e.Took > 0 {
			spent = took(e.Took)
		}
		g.add(moment(e.At), table, string(e.Kind), string(e.Engine), number(e.Epoch), rows, spent, clean(entryText(e)))
	}
	return g.write(a.stdout)
}

// entryText is an entry's text with where its load ran and why, and what its checks
// found that did not hold.
func entryText(e etl.Entry) string {
	text := e.Text
	if e.Route != "" && e.Kind == etl.EntryApplied && e.Route != "flag "+string(e.Engine) {
		text += "; " + e.Route
	}
	if e.Job != nil && e.Kind == etl.EntryApplied {
		text += "; " + e.Job.Engine + " " + e.Job.ID
	}
	if e.Receipt != nil {
		for _, c := range e.Receipt.Checks {
			if !c.OK {
				text += "; check " + c.Check + ": " + c.Finding
			}
		}
	}
	return text
}

// entryDoc is an entry with its duration in seconds, as everywhere in --json.
type entryDoc struct {
	etl.Entry
	Took        *struct{} `json:"took,omitempty"` // hides that of Entry
	TookSeconds float64   `json:"took_seconds,omitempty"`
}
