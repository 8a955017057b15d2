package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidemark-data/etl"
)

func whyVerb() *verb {
	return &verb{
		name: "why", args: "<table>", short: "tell why a table stands as it does, and what each verb would do now",
		about: `
Tells what went wrong and where, since when, what waits, and what would come of
each verb if it were called now, the most helpful first. It does nothing. The exit
code is 3 if the table is paused.

Example:
  tidemark why mpd.arrests`,
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			if len(args) != 1 {
				return exitUsage, usagef("why: name one table")
			}
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			x, err := a.runner.Explain(ctx, args[0])
			if err != nil {
				return exitError, err
			}
			code := exitOK
			if x.Flag == etl.FlagPaused {
				code = exitPaused
			}
			if a.json {
				return code, a.printJSON(x)
			}
			return code, a.printWhy(x)
		},
	}
}

func (a *app) printWhy(x etl.Explanation) error {
	g := newGrid("", "")
	facts(x, func(name, text string) {
		if text != "" {
			g.add(name, clean(text))
		}
	})
	var b strings.Builder
	if err := g.write(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n")
	advice := newGrid("VERB", "WHAT IT WOULD DO NOW")
	for _, v := range x.Advice {
		advice.add(strings.TrimSpace(v.Verb+" "+string(v.Flag)), clean(v.Effect))
	}
	if err := advice.write(&b); err != nil {
		return err
	}
	_, err := fmt.Fprint(a.stdout, strings.TrimPrefix(b.String(), "\n")) // the titles of facts are empty
	return err
}

// facts tells what is known of a table, line by line.
func facts(x etl.Explanation, tell func(name, text string)) {
	tell("table", x.Table)
	tell("flag", flagText(x.Flag, x.ResumeTo))
	if d := x.Diagnosis; d != nil {
		tell("since", moment(x.Since)+", "+age(x.At.Sub(x.Since)))
		tell("cause", d.Cause)
		tell("file", d.File)
		if d.Row > 0 {
			tell("row", number(d.Row))
		}
		tell("column", d.Column)
		tell("rule", d.Rule)
		tell("load", d.LoadID)
	} else {
		tell("next", x.Next.Reason)
	}
	if e := x.Failure; e != nil {
		tell("", fmt.Sprintf("%s load of %s, epoch %d", e.LoadKind, plural(e.Files, "file"), e.Epoch))
		tell("engine", strings.TrimSpace(string(e.Engine)+" "+e.Route))
		if e.Job != nil {
			tell("job", e.Job.Engine+" "+e.Job.ID)
		}
	}
	if l := x.Running; l != nil {
		tell("running", fmt.Sprintf("%s load %s of %s", l.Kind, l.ID, plural(len(l.Files), "file")))
	}
	if j := x.Job; j != nil {
		tell("job", strings.TrimSpace(fmt.Sprintf("%s %s %s", j.ID, j.Phase, j.Reason)))
	}
	tell("erasure", x.Erasure)
	if p := x.Trouble; p != nil {
		tell("trouble", fmt.Sprintf("%d times, the last at %s: %s", p.Count, moment(p.At), p.Cause))
	}
	for _, f := range x.Failed {
		tell(string(f.Status), f.Location)
	}
	waiting := "nothing"
	if w := x.Waiting; w.Pending+w.Deferred > 0 {
		waiting = fmt.Sprintf("%d pending, %d deferred, %s, from %s on; the oldest landed %s ago",
			w.Pending, w.Deferred, bytesText(w.Bytes), w.First, age(x.At.Sub(w.Oldest)))
	}
	tell("waits", waiting)
}
