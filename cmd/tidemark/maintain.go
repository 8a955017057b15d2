package main

import (
	"context"
	"errors"
	"flag"
	"strings"

	"github.com/tidemark-data/etl"
)

func maintainVerb() *verb {
	var dry bool
	return &verb{
		name: "maintain", args: "[table...]", short: "keep tables small and fast to read",
		about: `
Rewrites small and much-deleted data files, merges delete files and manifests,
lets old snapshots expire, and removes files that nothing refers to, as the key
maintenance of each table says. Rows do not change and readers do not notice. A
table is locked for the time of a step; loads wait, or this verb does not begin.

Without names it takes all tables. With --dry-run it tells what it would do.

Examples:
  tidemark maintain --dry-run
  tidemark maintain mpd.incidents`,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&dry, "dry-run", false, "change nothing, and tell what would be done")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			names, err := a.tableNames(args)
			if err != nil {
				return exitUsage, err
			}
			doc := a.maintain(ctx, names, dry)
			if a.json {
				return doc.ExitCode, a.printJSON(doc)
			}
			return doc.ExitCode, a.printMaintain(doc)
		},
	}
}

// The documents of maintain --json.
type maintainDoc struct {
	DryRun   bool            `json:"dry_run,omitempty"`
	Tables   []maintainedDoc `json:"tables"`
	ExitCode int             `json:"exit_code"`
}

type maintainedDoc struct {
	Table string `json:"table"`
	etl.MaintainReport
	Error string `json:"error,omitempty"`
}

// maintain takes one table after the other. What fails does not keep the others
// from it.
func (a *app) maintain(ctx context.Context, tables []string, dry bool) maintainDoc {
	doc := maintainDoc{DryRun: dry, Tables: []maintainedDoc{}}
	do := a.runner.Maintain
	if dry {
		do = a.runner.PlanMaintenance
	}
	failed, locked := false, false
	for _, name := range tables {
		rep, err := do(ctx, name)
		d := maintainedDoc{Table: name, MaintainReport: rep}
		switch {
		case errors.Is(err, etl.ErrLocked):
			locked, d.Error = true, "another process works on it"
		case err != nil:
			failed, d.Error = true, err.Error()
		}
		doc.Tables = append(doc.Tables, d)
		if ctx.Err() != nil {
			break
		}
	}
	switch {
	case failed:
		doc.ExitCode = exitError
	case locked:
		doc.ExitCode = exitWaits
	}
	return doc
}

func (a *app) printMaintain(doc maintainDoc) error {
	g := newGrid("TABLE", ">DATA FILES", ">DELETE FILES", ">MANIFESTS", ">SNAPSHOTS", ">SIZE", "WHAT")
	for _, d := range doc.Tables {
		b, e := d.Before, d.After
		g.add(d.Table, change(b.DataFiles, e.DataFiles), change(b.DeleteFiles, e.DeleteFiles), change(b.Manifests, e.Manifests),
			change(b.Snapshots, e.Snapshots), bytesText(e.Bytes), clean(d.what(doc.DryRun)))
	}
	return g.write(a.stdout)
}

// change writes "12 > 3", or "12" where nothing changed.
func change(before, after int) string {
	if before == after {
		return number(after)
	}
	return number(before) + " > " + number(after)
}

func (d maintainedDoc) what(dry bool) string {
	var parts []string
	say := func(n int, did, would, one string) {
		if n > 0 {
			verb := did
			if dry {
				verb = would
			}
			parts = append(parts, verb+" "+plural(n, one))
		}
	}
	say(d.RewrittenFiles, "rewrote", "would rewrite", "data file")
	say(d.MergedDeletes, "merged", "would merge", "delete file")
	say(d.MergedManifests, "merged", "would merge", "manifest")
	say(d.ExpiredSnapshots, "expired", "would expire", "snapshot")
	say(d.FreedFiles, "freed", "would free", "file")
	say(d.Orphans, "removed", "would remove", "orphan")
	say(d.SideFiles, "removed", "would remove", "side file")
	if d.More {
		parts = append(parts, "more is left")
	}
	parts = append(parts, d.Notes...)
	if d.Error != "" {
		parts = append(parts, d.Error)
	}
	if len(parts) == 0 {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
