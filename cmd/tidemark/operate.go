package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/tidemark-data/etl"
)

// tableVerb is a verb that does something to one table and then shows it.
func tableVerb(v verb, do func(ctx context.Context, a *app, table string, rest []string) (string, error)) *verb {
	v.run = func(ctx context.Context, a *app, args []string) (int, error) {
		if len(args) == 0 {
			return exitUsage, usagef("%s: name the table (tidemark %s -h tells more)", v.name, v.name)
		}
		if err := a.open(ctx); err != nil {
			return exitError, err
		}
		done, err := do(ctx, a, args[0], args[1:])
		if errors.Is(err, etl.ErrLocked) {
			return exitWaits, fmt.Errorf("another process works on %s: %w", clean(args[0]), err)
		}
		if err != nil {
			return exitError, err
		}
		return exitOK, a.afterwards(ctx, args[0], done)
	}
	return &v
}

// afterwards tells what was done and how the table stands now.
func (a *app) afterwards(ctx context.Context, table, done string) error {
	t, err := a.tableStatus(ctx, table)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(struct {
			Done  string         `json:"done"`
			Table tableStatusDoc `json:"table"`
		}{done, t})
	}
	fmt.Fprintf(a.stdout, "%s %s. Flag %s, epoch %s, %s pending, %s deferred.\n", table, done,
		flagText(t.Flag, t.ResumeTo), number(t.Epoch), number(t.Files[etl.Pending]), number(t.Files[etl.Deferred]))
	if t.Flag != etl.FlagPaused && t.Files[etl.Pending]+t.Files[etl.Running] > 0 {
		fmt.Fprintf(a.stdout, "%s works them off.\n", a.command("ingest"))
	}
	return nil
}

func noMore(verb string, rest []string) error {
	if len(rest) > 0 {
		return usagef("%s: one table at a time; %q is too much", verb, rest[0])
	}
	return nil
}

func pauseVerb() *verb {
	var reason string
	return tableVerb(verb{
		name: "pause", args: "<table>", short: "stop working on a table",
		about: `
Begins no load of the table any more; one that runs is finished. Files that land
are still registered. resume goes on.

Example:
  tidemark pause mpd.incidents --reason "source is being migrated"`,
		flags: func(set *flag.FlagSet) { set.StringVar(&reason, "reason", "", "`text` for status and history") },
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("pause", rest); err != nil {
			return "", err
		}
		return "is paused", a.runner.Pause(ctx, table, reason)
	})
}

func resumeVerb() *verb {
	return tableVerb(verb{
		name: "resume", args: "<table>", short: "go on with a paused table",
		about: `
Sets the flag back to what it was before P. Files that failed wait again; nothing
is passed over.

Example:
  tidemark resume mpd.incidents`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("resume", rest); err != nil {
			return "", err
		}
		return "is resumed", a.runner.Resume(ctx, table)
	})
}

func retryVerb() *verb {
	return tableVerb(verb{
		name: "retry", args: "<table>", short: "try again what failed, once its cause is mended",
		about: `
Lets the files that failed or vanished wait again and resumes the table. A change
file that came late is then applied although it is late. A file that was mended
in its place is another file, which ingest finds by itself: skip the failed one.

Example:
  tidemark retry mpd.incidents && tidemark ingest`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("retry", rest); err != nil {
			return "", err
		}
		return "will try again", a.runner.Retry(ctx, table)
	})
}

func skipVerb() *verb {
	return tableVerb(verb{
		name: "skip", args: "<table> [location...]", short: "pass over files for good",
		about: `
Passes over the files that failed or vanished, or over those named, and resumes
the table. A full load of which a file is skipped is given up whole. "-" reads
locations from stdin, one in a line.

Examples:
  tidemark skip mpd.incidents
  tidemark skip mpd.incidents mpd/incidents/20240318-092000000.csv`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		locations, err := a.locations(rest)
		if err != nil {
			return "", err
		}
		return "goes on without what was skipped", a.runner.Skip(ctx, table, locations...)
	})
}

func reloadVerb() *verb {
	return tableVerb(verb{
		name: "reload", args: "<table> [location...]", short: "load a table again from a full load",
		about: `
Loads the table again in a new epoch, from the files of its last full load or
from the full-load files named, and then applies the change files that landed
since. Readers see the old content until then. "-" reads locations from stdin.

Examples:
  tidemark reload mpd.incidents
  tidemark reload mpd.incidents mpd/incidents/LOAD00000001.csv.gz`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		locations, err := a.locations(rest)
		if err != nil {
			return "", err
		}
		return "will be loaded again", a.runner.Reload(ctx, table, locations...)
	})
}

func completeVerb() *verb {
	return tableVerb(verb{
		name: "complete", args: "<table>", short: "say that an open full load has all its files",
		about: `
Example:
  tidemark complete mpd.incidents && tidemark ingest`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("complete", rest); err != nil {
			return "", err
		}
		return "has its full load complete", a.runner.Complete(ctx, table)
	})
}

func cancelVerb() *verb {
	return tableVerb(verb{
		name: "cancel", args: "<table>", short: "end the job that works on a table",
		about: `
Ends the job that another engine runs for the table. ingest carries it out: the job
is cancelled, the table closed to its commit and paused. A job that has committed by
then is recorded, and the table goes on.

Example:
  tidemark cancel mpd.incidents && tidemark ingest`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("cancel", rest); err != nil {
			return "", err
		}
		return "will have its job cancelled", a.runner.Cancel(ctx, table)
	})
}

func flagVerb() *verb {
	return tableVerb(verb{
		name: "flag", args: "<table> L|G|auto", short: "say where the loads of a table run",
		about: `
L is in this process, G on a distributed engine, auto is either by estimate. The
flag of a paused table becomes what resume goes back to.

Example:
  tidemark flag mpd.incidents L`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if len(rest) != 1 {
			return "", usagef("flag: name one of L, G and auto")
		}
		flag := etl.JobFlag(rest[0])
		if !flag.Valid() || flag == etl.FlagPaused {
			return "", usagef("flag: %q is not L, G or auto (pause sets P)", rest[0])
		}
		return "has its flag set", a.runner.SetFlag(ctx, table, flag)
	})
}

func rebuildVerb() *verb {
	return tableVerb(verb{
		name: "rebuild", args: "<table>", short: "make a lost ledger anew from the table itself",
		about: `
For a state file that was lost. What the table's own snapshots name is applied,
what the source lists besides waits, and the table is paused until somebody has
looked. Nothing is done where the ledger knows the table already.

Example:
  tidemark rebuild mpd.incidents
  tidemark status --files mpd.incidents
  tidemark resume mpd.incidents`,
	}, func(ctx context.Context, a *app, table string, rest []string) (string, error) {
		if err := noMore("rebuild", rest); err != nil {
			return "", err
		}
		return "has its ledger rebuilt and is paused", a.runner.Rebuild(ctx, table)
	})
}

func classifyVerb() *verb {
	var p etl.Placement
	var kind string
	return &verb{
		name: "classify", args: "<location>", short: "say what a file is that was set aside",
		about: `
Gives a file that was set aside its table, kind and place in the order. Orders
compare as text with those of the layout; status --files --json shows them.

Example:
  tidemark classify mpd/incidents/fix.csv --table mpd.incidents \
      --kind incremental --order 202403180930000000`,
		flags: func(set *flag.FlagSet) {
			set.StringVar(&p.Table, "table", "", "the `table`")
			set.StringVar(&kind, "kind", "", "full or incremental, the `kind`")
			set.StringVar(&p.Order, "order", "", "`place` among the files of its kind; default: by location")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			var err error
			if p.Kind, err = etl.ParseLoadKind(kind); err != nil || p.Kind == etl.Unknown {
				return exitUsage, usagef("classify: --kind is full or incremental")
			}
			if len(args) != 1 || p.Table == "" {
				return exitUsage, usagef("classify: name one location and its --table")
			}
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			if err := a.runner.Classify(ctx, args[0], p); err != nil {
				return exitError, err
			}
			return exitOK, a.afterwards(ctx, p.Table, "takes "+clean(args[0]))
		},
	}
}
