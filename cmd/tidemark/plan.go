package main

import (
	"context"
	"fmt"

	"github.com/tidemark-data/etl"
)

func planVerb() *verb {
	return &verb{
		name: "plan", args: "[table...]", short: "show what ingest would do next, and do nothing",
		about: `
Shows the next load of each table, where it would run and why there, or why there
is none. It looks at the files of the ledger and counts those of the source folder
that are not in it yet.

Example:
  tidemark plan mpd.incidents`,
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			names, err := a.tableNames(args)
			if err != nil {
				return exitUsage, err
			}
			return exitOK, a.plan(ctx, names)
		},
	}
}

// planDoc is the next step of a table in plan --json.
type planDoc struct {
	Table string `json:"table"`
	etl.Decision
	Wait        *struct{} `json:"wait,omitempty"` // hides that of Decision
	Job         *jobDoc   `json:"job,omitempty"`  // in place of that of Decision
	WaitSeconds float64   `json:"wait_seconds,omitempty"`
	// Unregistered counts files of the source that are not in the ledger.
	Unregistered int `json:"unregistered"`
}

func (a *app) plan(ctx context.Context, tables []string) error {
	fresh, err := a.unregistered(ctx)
	if err != nil {
		return err
	}
	docs := []planDoc{}
	for _, name := range tables {
		d, err := a.runner.Plan(ctx, name)
		if err != nil {
			return err
		}
		docs = append(docs, planDoc{Table: name, Decision: d, Job: newJobDoc(d.Job), WaitSeconds: d.Wait.Seconds(), Unregistered: fresh[name]})
	}
	if a.json {
		return a.printJSON(struct {
			Tables []planDoc `json:"tables"`
		}{docs})
	}
	g := newGrid("TABLE", "NEXT", "ENGINE", ">EPOCH", ">FILES", ">UNREGISTERED", "WHY")
	for _, d := range docs {
		next, engine, epoch, files, why := "nothing", "", "", "", d.Reason
		switch {
		case d.Load != nil:
			next, epoch, files = d.Load.Kind.String(), number(d.Load.Epoch), number(len(d.Load.Files))
			engine = string(d.Load.Engine)
			for _, c := range d.Evolves {
				why += "; " + c.String()
			}
			if d.Breach != nil {
				why += "; it would pause the table: " + d.Breach.Cause
			}
			if d.Load.Route != "" && d.Load.Route != "flag "+engine {
				why += "; " + d.Load.Route
			}
		case len(d.Late) > 0:
			next, files = "late files", number(len(d.Late))
		}
		g.add(d.Table, next, engine, epoch, files, number(d.Unregistered), clean(why))
	}
	return g.write(a.stdout)
}

// unregistered counts, by table, the listed files that the ledger does not know.
func (a *app) unregistered(ctx context.Context) (map[string]int, error) {
	listed := map[string][]string{}
	for f, err := range a.config.Source.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list source: %w", err)
		}
		for _, rec := range a.config.Records(f) {
			if rec.Table != "" {
				listed[rec.Table] = append(listed[rec.Table], rec.ID())
			}
		}
	}
	out := map[string]int{}
	for table, ids := range listed {
		known := 0
		for _, err := range a.config.Control.Files(ctx, etl.FileQuery{Table: table, IDs: ids}) {
			if err != nil {
				return nil, err
			}
			known++
		}
		out[table] = len(ids) - known
	}
	return out, nil
}
