package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
)

func statusVerb() *verb {
	var files bool
	var statuses string
	return &verb{
		name: "status", args: "[table...]", short: "show where the tables, or the files, stand",
		about: `
Shows a line for each table: its flag (P(L) is paused, and L before), its epoch,
how many files wait, the last file applied, how long ago the oldest waiting file
landed, and why the table does not go on, if it does not. The exit code is 3 if
a table is paused.

With --files it lists the files of the ledger instead: those of the tables
named, or of all tables and those that no table takes.

Examples:
  tidemark status
  tidemark status mpd.incidents --json
  tidemark status --files --status pending,failed mpd.incidents
  tidemark status --files --status set_aside`,
		flags: func(set *flag.FlagSet) {
			set.BoolVar(&files, "files", false, "list files")
			set.StringVar(&statuses, "status", "", "with --files, only those of these `statuses`: "+strings.Join(fileStatusNames(), ", "))
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			want, err := parseStatuses(statuses)
			if err != nil {
				return exitUsage, err
			}
			if statuses != "" && !files {
				return exitUsage, usagef("status: --status needs --files")
			}
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			names, err := a.tableNames(args)
			if err != nil {
				return exitUsage, err
			}
			if files {
				if len(args) == 0 {
					names = append(names, "")
				}
				return exitOK, a.printFiles(ctx, names, want)
			}
			return a.status(ctx, names, len(args) == 0)
		},
	}
}

func fileStatusNames() []string {
	names := []string{}
	for _, s := range []etl.FileStatus{etl.Pending, etl.Deferred, etl.Running, etl.Applied, etl.Failed,
		etl.Skipped, etl.Superseded, etl.SetAside, etl.Vanished} {
		names = append(names, string(s))
	}
	return names
}

func parseStatuses(s string) (out []etl.FileStatus, err error) {
	for name := range strings.SplitSeq(s, ",") {
		name = strings.ReplaceAll(strings.TrimSpace(name), "-", "_")
		switch {
		case name == "":
		case !slices.Contains(fileStatusNames(), name):
			return nil, usagef("status %q is not one of %s", name, strings.Join(fileStatusNames(), ", "))
		default:
			out = append(out, etl.FileStatus(name))
		}
	}
	return out, nil
}

// The documents of status --json.
type statusDoc struct {
	Tables []tableStatusDoc `json:"tables"`
	// SetAside counts the files that no table takes.
	SetAside int `json:"set_aside"`
	ExitCode int `json:"exit_code"`
}

type tableStatusDoc struct {
	Table       string                 `json:"table"`
	Flag        etl.JobFlag            `json:"flag"`
	ResumeTo    etl.JobFlag            `json:"resume_to,omitempty"`
	Epoch       int64                  `json:"epoch"`
	Files       map[etl.FileStatus]int `json:"files"`
	LastApplied *etl.LastFile          `json:"last_applied,omitempty"`
	LastFailed  *etl.LastFile          `json:"last_failed,omitempty"`
	Open        *etl.OpenLoad          `json:"open,omitempty"`
	Running     *etl.Load              `json:"running,omitempty"`
	Job         *jobDoc                `json:"job,omitempty"`
	Staged      int                    `json:"staged,omitempty"`
	Paused      *etl.Diagnosis         `json:"paused,omitempty"`
	PausedAt    time.Time              `json:"paused_at,omitzero"`
	LagSeconds  float64                `json:"lag_seconds"`
	Why         string                 `json:"why,omitempty"`
	Erasure     string                 `json:"erasure,omitempty"`
}

func (a *app) tableStatus(ctx context.Context, name string) (tableStatusDoc, error) {
	s, err := a.runner.Status(ctx, name)
	if err != nil {
		return tableStatusDoc{}, err
	}
	st := s.State
	return tableStatusDoc{
		Table: name, Flag: st.Flag, ResumeTo: st.ResumeTo, Epoch: st.Epoch, Files: s.Files,
		LastApplied: st.LastApplied, LastFailed: st.LastFailed, Open: st.Open, Running: st.Running, Job: newJobDoc(st.Job), Staged: st.Staged,
		Paused: st.Paused, PausedAt: st.PausedAt, LagSeconds: max(s.Lag, 0).Seconds(), Why: s.Why, Erasure: s.Erasure,
	}, nil
}

func (a *app) status(ctx context.Context, names []string, all bool) (int, error) {
	doc := statusDoc{Tables: []tableStatusDoc{}}
	for _, name := range names {
		t, err := a.tableStatus(ctx, name)
		if err != nil {
			return exitError, err
		}
		doc.Tables = append(doc.Tables, t)
		if t.Flag == etl.FlagPaused {
			doc.ExitCode = exitPaused
		}
	}
	if all {
		aside, err := a.runner.Status(ctx, "")
		if err != nil {
			return exitError, err
		}
		doc.SetAside = aside.Files[etl.SetAside]
	}
	if a.json {
		return doc.ExitCode, a.printJSON(doc)
	}
	return doc.ExitCode, a.printStatus(doc)
}

func (a *app) printStatus(doc statusDoc) error {
	g := newGrid("TABLE", "FLAG", "EPOCH", "PENDING", "DEFERRED", "LAST APPLIED", "LAG", "WHY")
	for _, t := range doc.Tables {
		last := ""
		if t.LastApplied != nil {
			last = clean(path.Base(t.LastApplied.Location))
		}
		g.add(t.Table, flagText(t.Flag, t.ResumeTo), number(t.Epoch), number(t.Files[etl.Pending]+t.Files[etl.Running]),
			number(t.Files[etl.Deferred]), last, age(time.Duration(t.LagSeconds*float64(time.Second))), clean(joined(t.Why, t.Erasure)))
	}
	if err := g.write(a.stdout); err != nil {
		return err
	}
	if doc.SetAside > 0 {
		fmt.Fprintf(a.stdout, "\n%s set aside: %s\n", plural(doc.SetAside, "file"), a.command("status --files --status set_aside"))
	}
	return nil
}

// joined are the texts that are not empty.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "; ")
}

// flagText shows the flag that a paused table goes back to.
func flagText(flag, resumeTo etl.JobFlag) string {
	if flag == etl.FlagPaused {
		return "P(" + string(cmp.Or(resumeTo, etl.FlagLocal)) + ")"
	}
	return string(flag)
}

func (a *app) printFiles(ctx context.Context, tables []string, statuses []etl.FileStatus) error {
	type fileDoc struct {
		ID string `json:"id"`
		etl.FileRecord
	}
	docs := []fileDoc{}
	for _, table := range tables {
		for rec, err := range a.config.Control.Files(ctx, etl.FileQuery{Table: table, Statuses: statuses}) {
			if err != nil {
				return err
			}
			docs = append(docs, fileDoc{rec.ID(), rec})
		}
	}
	if a.json {
		return a.printJSON(struct {
			Files []fileDoc `json:"files"`
		}{docs})
	}
	g := newGrid("TABLE", "STATUS", "KIND", ">EPOCH", ">SIZE", "LANDED", "LOCATION", "NOTE")
	for _, d := range docs {
		g.add(cmp.Or(d.Table, "-"), string(d.Status), d.Kind.String(), number(d.Epoch), bytesText(d.Size),
			moment(d.Landed()), clean(d.Location), clean(d.Note))
	}
	return g.write(a.stdout)
}
