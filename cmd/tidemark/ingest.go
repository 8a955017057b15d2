package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/tidemark-data/etl"
)

func ingestVerb() *verb {
	var w watch
	return &verb{
		name: "ingest", args: "", short: "register what has landed and work it off",
		about: `
Lists the source folder, puts new files into the ledger, and applies to each
table what is next, until nothing is or something is in the way. A table that
meets bad input is paused; the others go on.

What a table under flag G has to do runs as a job of the config's dispatcher.
The command waits for its end, unless job.await is false: then the next call
looks again. An interrupted command leaves the job running, and the next one
finds it.

With --watch it does so again and again until it is interrupted (SIGINT or
SIGTERM), and then stops between two steps with exit code 0. An interrupted
load is taken up again by the next call.

Examples:
  tidemark ingest
  tidemark -c /etc/tidemark.yaml ingest --json
  tidemark ingest --watch 30s`,
		flags: func(set *flag.FlagSet) {
			set.Var(&w, "watch", "go on until interrupted, looking every `interval`; default 10s")
		},
		run: func(ctx context.Context, a *app, args []string) (int, error) {
			if err := w.interval(args); err != nil {
				return exitUsage, err
			}
			p := newProgress(a.stderr)
			a.observer = p.observer()
			if err := a.open(ctx); err != nil {
				return exitError, err
			}
			if w.on {
				return exitOK, a.watch(ctx, p, w.every)
			}
			doc, err := a.ingest(ctx)
			p.clear()
			if err != nil {
				return exitError, err
			}
			return doc.ExitCode, a.printIngest(doc, false)
		},
	}
}

// watch is the value of --watch, whose interval may be left out.
type watch struct {
	on    bool
	every time.Duration
}

func (w *watch) String() string   { return "" }
func (w *watch) IsBoolFlag() bool { return true }

func (w *watch) Set(s string) error {
	w.on, w.every = true, 10*time.Second
	switch s {
	case "true":
		return nil
	case "false":
		w.on = false
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 10*time.Millisecond {
		return errors.New("the interval is a duration such as 30s")
	}
	w.every = d
	return nil
}

// interval takes the interval that stands apart from --watch.
func (w *watch) interval(args []string) error {
	if w.on && len(args) == 1 {
		if err := w.Set(args[0]); err != nil {
			return usagef("ingest --watch: %w", err)
		}
		return nil
	}
	if len(args) > 0 {
		return usagef("ingest takes no arguments: it works on all tables")
	}
	return nil
}

// The documents of ingest --json.
type ingestDoc struct {
	Listed     int        `json:"listed"`
	Registered int        `json:"registered"`
	SetAside   int        `json:"set_aside"`
	Tables     []tableDoc `json:"tables"`
	ExitCode   int        `json:"exit_code"`
}

type tableDoc struct {
	Table string `json:"table"`
	// Outcome is done, waits, paused or failed.
	Outcome     string         `json:"outcome"`
	Reason      string         `json:"reason"`
	WaitSeconds float64        `json:"wait_seconds,omitempty"`
	Paused      *etl.Diagnosis `json:"paused,omitempty"`
	Loads       []loadDoc      `json:"loads"`
}

type loadDoc struct {
	ID           string       `json:"id"`
	Kind         etl.LoadKind `json:"kind"`
	Epoch        int64        `json:"epoch"`
	Files        []string     `json:"files"`
	Counts       etl.Counts   `json:"counts"`
	Snapshot     string       `json:"snapshot"`
	Committed    time.Time    `json:"committed"`
	FilesWritten int          `json:"files_written"`
	BytesWritten int64        `json:"bytes_written"`
	Found        bool         `json:"found"`
	// Engine is where the load ran, L or G, and Route why.
	Engine      etl.JobFlag `json:"engine,omitempty"`
	Route       string      `json:"route,omitempty"`
	TookSeconds float64     `json:"took_seconds"`
}

// ingest does one round. Errors of tables are in the document.
func (a *app) ingest(ctx context.Context) (ingestDoc, error) {
	rep, err := a.runner.Ingest(ctx)
	doc := ingestDoc{Listed: rep.Listed, Registered: rep.Registered, SetAside: rep.SetAside, Tables: []tableDoc{}}
	if err != nil && len(rep.Tables) == 0 {
		return doc, err
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, t := range rep.Tables {
		td, err := a.tableOutcome(after, t)
		if err != nil {
			return doc, err
		}
		doc.Tables = append(doc.Tables, td)
		doc.ExitCode = worse(doc.ExitCode, td.Outcome)
	}
	return doc, nil
}

// worse returns the exit code to keep: paused before failed before waits.
func worse(code int, outcome string) int {
	rank := []int{exitOK: 0, exitWaits: 1, exitError: 2, exitPaused: 3}
	other := map[string]int{"done": exitOK, "waits": exitWaits, "failed": exitError, "paused": exitPaused}[outcome]
	if rank[other] > rank[code] {
		return other
	}
	return code
}

func (a *app) tableOutcome(ctx context.Context, t etl.TableReport) (tableDoc, error) {
	doc := tableDoc{Table: t.Table, Outcome: "done", Reason: t.Reason, WaitSeconds: t.Wait.Seconds(), Loads: []loadDoc{}}
	for _, l := range t.Loads {
		doc.Loads = append(doc.Loads, newLoadDoc(l))
	}
	st, err := a.config.Control.State(ctx, t.Table)
	if err != nil {
		return doc, err
	}
	switch {
	case st.Flag == etl.FlagPaused:
		doc.Outcome, doc.Paused = "paused", st.Paused
		if st.Paused != nil {
			doc.Reason = st.Paused.Cause
		}
	case errors.Is(t.Err, context.Canceled):
		doc.Outcome, doc.Reason = "failed", "interrupted; the next call goes on"
	case t.Err != nil:
		doc.Outcome = "failed"
	default:
		waiting, err := a.waiting(ctx, t.Table)
		if err != nil {
			return doc, err
		}
		if waiting {
			doc.Outcome = "waits"
		}
	}
	return doc, nil
}

// waiting reports whether files of the table are neither applied nor put away.
func (a *app) waiting(ctx context.Context, table string) (bool, error) {
	q := etl.FileQuery{Table: table, Statuses: []etl.FileStatus{etl.Pending, etl.Deferred, etl.Running}, Limit: 1}
	for _, err := range a.config.Control.Files(ctx, q) {
		return true, err
	}
	return false, nil
}

func newLoadDoc(l etl.AppliedLoad) loadDoc {
	doc := loadDoc{
		ID: l.Load.ID, Kind: l.Load.Kind, Epoch: l.Load.Epoch, Files: []string{},
		Counts: l.Receipt.Counts, Snapshot: l.Receipt.Snapshot, Committed: l.Receipt.Committed,
		FilesWritten: l.Receipt.FilesWritten, BytesWritten: l.Receipt.BytesWritten,
		Found: l.Receipt.Found, TookSeconds: l.Took.Seconds(), Engine: l.Load.Engine, Route: l.Load.Route,
	}
	for _, f := range l.Load.Files {
		doc.Files = append(doc.Files, f.Location)
	}
	return doc
}

// watch ingests until the context ends.
func (a *app) watch(ctx context.Context, p *progress, every time.Duration) error {
	before := ""
	fmt.Fprintf(a.stderr, "looking every %v; interrupt to stop\n", every)
	defer fmt.Fprintln(a.stderr, "stopped")
	for ctx.Err() == nil {
		doc, err := a.ingest(ctx)
		p.clear()
		switch {
		case ctx.Err() != nil && err != nil:
			return nil
		case err != nil:
			fmt.Fprintf(a.stderr, "tidemark: %s (trying again in %v)\n", clean(err.Error()), every)
		default:
			now := standing(doc)
			if doc.Registered > 0 || loads(doc) > 0 || now != before {
				if err := a.printIngest(doc, true); err != nil {
					return err
				}
			}
			before = now
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(every, nextWait(doc, every))):
		}
	}
	return nil
}

// standing is what an operator wants to hear of once, not every round.
func standing(doc ingestDoc) string {
	var b strings.Builder
	for _, t := range doc.Tables {
		if t.Outcome == "paused" || t.Outcome == "failed" {
			fmt.Fprintf(&b, "%s %s %s\n", t.Table, t.Outcome, t.Reason)
		}
	}
	return b.String()
}

func loads(doc ingestDoc) (n int) {
	for _, t := range doc.Tables {
		n += len(t.Loads)
	}
	return n
}

// nextWait is when a table may go on by itself.
func nextWait(doc ingestDoc, longest time.Duration) time.Duration {
	next := longest
	for _, t := range doc.Tables {
		if wait := time.Duration(t.WaitSeconds * float64(time.Second)); wait > 0 {
			next = min(next, wait+10*time.Millisecond)
		}
	}
	return next
}
