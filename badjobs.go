package etl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// A job sets bad rows aside as this process does, but it does not reach the
// quarantine. What it has to know of rows set aside before goes with the [Job]; what
// it sets aside it hands over before its commit, where its dispatcher finds it, and
// the Runner puts that into the quarantine before it records the load:
//
//	job: hand over, commit ──> Runner: look into the table, Put, Forget, record
//
// Each step may be taken twice. Who finds the load in the table and nothing handed
// over any more looks whether the quarantine has it already.

// JobAside is what a job has to know of rows that are and were set aside.
type JobAside struct {
	// Open are the rows set aside before that still wait, with their keys: the job
	// tells which of them the load overtakes.
	Open []BadRow
	// Mended are the rows whose mended versions are files of the load, with their
	// content, by file ID.
	Mended map[string]BadRow
}

// Source returns a source that serves mended rows besides the files of another.
func (a *JobAside) Source(s Source) Source {
	if a == nil || len(a.Mended) == 0 {
		return s
	}
	return asideSource{s, a}
}

// mends reports whether a file is a mended row.
func (a *JobAside) mends(f File) bool {
	if a == nil {
		return false
	}
	_, ok := a.Mended[f.ID()]
	return ok
}

type asideSource struct {
	Source
	aside *JobAside
}

// Open implements [Source].
func (s asideSource) Open(ctx context.Context, f File) (Input, error) {
	if row, ok := s.aside.Mended[f.ID()]; ok {
		return textInput{bytes.NewReader(row.Mended)}, nil
	}
	return s.Source.Open(ctx, f)
}

// HandedOver is what a job hands over before its commit: the bad rows of its load. It
// holds values of cells.
type HandedOver struct {
	LoadID string      `json:"load_id"`
	Rows   []HandedRow `json:"rows,omitempty"`
	// Overtaken are rows set aside before of which the load has a later version.
	Overtaken []OvertakenRow `json:"overtaken,omitempty"`
}

// HandedRow is a row set aside by a job; see [BadRow].
type HandedRow struct {
	// File is the index of the row's file in the load.
	File   int    `json:"file"`
	Row    int64  `json:"row"`
	Column string `json:"column,omitempty"`
	Rule   string `json:"rule"`
	Raw    []byte `json:"raw,omitempty"`
	Head   []byte `json:"head,omitempty"`
	Key    []byte `json:"key,omitempty"`
	// Overtaken is set where the load has a later version of the key.
	Overtaken bool `json:"overtaken,omitempty"`
}

// OvertakenRow names a row of [Quarantine].
type OvertakenRow struct {
	LoadID string `json:"load_id"`
	ID     string `json:"id"`
}

// BadRowKeeper is an optional ability of a [Dispatcher], without which it takes no
// load that may set rows aside. What jobs hand over is kept until it is forgotten,
// whatever becomes of the job. It is safe for concurrent use.
type BadRowKeeper interface {
	// HandedOver returns what a job has handed over, by the job's ID. It returns an
	// error that wraps ErrNotFound where there is nothing (any more).
	HandedOver(ctx context.Context, jobID string) (HandedOver, error)
	// Forget removes for good what a job has handed over, and what the job was given
	// of rows set aside. It is no error where there is nothing.
	Forget(ctx context.Context, jobID string) error
}

// jobsKept is of how many submissions of a load it is known that they may have left
// something.
const jobsKept = 32

// with returns the load as it is submitted as another job.
func (l Load) with(jobID string) Load {
	l.Jobs = append(slices.Clone(l.Jobs[max(0, len(l.Jobs)-jobsKept+1):]), jobID)
	return l
}

// jobAside is what the job of a load has to know; nil is nothing.
func (r *Runner) jobAside(ctx context.Context, t *Table, load Load) (*JobAside, error) {
	a, err := r.aside(ctx, t, load, -1)
	if err != nil || a == nil {
		return nil, err
	}
	job := &JobAside{Mended: a.mended}
	if load.Kind != Full { // which overtakes what was set aside before, whatever its keys
		job.Open = slices.DeleteFunc(a.open, func(row BadRow) bool { return row.Key == nil })
	}
	for id, row := range a.mended {
		row.Mended = a.contents[id]
		job.Mended[id] = row
	}
	for _, f := range load.Files {
		if _, _, mended := mendedRow(f.Location); mended && job.Mended[f.ID()].Mended == nil {
			return nil, &FileError{File: f.Location, Err: fmt.Errorf("%w: the quarantine has no such mended row", ErrFileVanished)}
		}
	}
	if !t.BadRows.tolerant() && len(job.Open) == 0 && len(job.Mended) == 0 {
		return nil, nil
	}
	if _, ok := Ability[BadRowKeeper](r.cfg.Dispatcher); !ok {
		return nil, WithOutcome(Terminal, errors.New("the dispatcher cannot hand over rows that are set aside"))
	}
	return job, nil
}

// asideOf is what changes know of it; handOver is called before the commit.
func (a *JobAside) asideOf(load Load, handOver func(context.Context, HandedOver) error) *aside {
	if a == nil {
		return nil
	}
	return &aside{file: -1, open: a.Open, mended: a.Mended, keep: func(ctx context.Context, bad, overtaken []BadRow) error {
		if handOver == nil {
			return WithOutcome(Terminal, errors.New("nobody takes bad rows over"))
		}
		return handOver(ctx, handedOver(load, bad, overtaken))
	}}
}

func handedOver(load Load, bad, overtaken []BadRow) HandedOver {
	out := HandedOver{LoadID: load.ID}
	at := map[string]int{}
	for i, f := range load.Files {
		at[f.ID()] = i
	}
	for _, row := range bad {
		out.Rows = append(out.Rows, HandedRow{
			File: at[row.FileID], Row: row.Row, Column: row.Column, Rule: row.Rule,
			Raw: row.Raw, Head: row.Head, Key: row.Key, Overtaken: len(row.OvertakenBy) > 0,
		})
	}
	for _, row := range overtaken {
		out.Overtaken = append(out.Overtaken, OvertakenRow{LoadID: row.LoadID, ID: row.ID})
	}
	return out
}

// takeOver puts what the jobs of a load have handed over into the quarantine. It is
// called for a load that is in the table, before that is recorded. An error of outcome
// Terminal says that rows were lost.
func (r *Runner) takeOver(ctx context.Context, t *Table, load Load, receipt Receipt) error {
	if len(load.Jobs) == 0 || r.cfg.Quarantine == nil {
		return nil
	}
	if load.Engine != FlagDistributed && !receipt.Found { // this process has kept them itself
		r.forget(ctx, t, load)
		return nil
	}
	keeper, ok := Ability[BadRowKeeper](r.cfg.Dispatcher)
	if !ok {
		if err := r.holds(ctx, t, load, receipt); err != nil {
			return WithOutcome(Retry, fmt.Errorf("%w: no dispatcher is configured that has them", err))
		}
		return nil
	}
	for _, id := range slices.Backward(load.Jobs) {
		handed, found, err := r.handed(ctx, keeper, id)
		if err != nil {
			return fmt.Errorf("take over the bad rows of job %s: %w", id, err)
		}
		if !found || handed.LoadID != load.ID || int64(len(handed.Rows)) != receipt.Counts.Quarantined {
			continue
		}
		if err := r.keepHanded(ctx, t, load, handed); err != nil {
			return fmt.Errorf("take over the bad rows of job %s: %w", id, err)
		}
		r.forget(ctx, t, load)
		return nil
	}
	if err := r.holds(ctx, t, load, receipt); err != nil {
		return err
	}
	r.forget(ctx, t, load)
	return nil
}

func (r *Runner) handed(ctx context.Context, keeper BadRowKeeper, jobID string) (handed HandedOver, found bool, err error) {
	err = r.retry(ctx, func() error {
		handed, err = keeper.HandedOver(ctx, jobID)
		if found = err == nil; errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	})
	return handed, found, err
}

// keepHanded puts what a job has handed over into the quarantine, and tells of it.
func (r *Runner) keepHanded(ctx context.Context, t *Table, load Load, handed HandedOver) error {
	a, err := r.aside(ctx, t, load, -1)
	if err != nil {
		return err
	}
	var rows, overtaken []BadRow
	for _, h := range handed.Rows {
		if h.File < 0 || h.File >= len(load.Files) || h.Row < 1 {
			return WithOutcome(Terminal, errors.New("it names rows that the load does not have"))
		}
		row := badRow(*t, load, a.mended, h.File, h.Row, h.Column, h.Rule)
		row.Raw, row.Head, row.Key = h.Raw, h.Head, h.Key
		if h.Overtaken {
			row.OvertakenBy = []string{load.ID}
		}
		rows = append(rows, row)
	}
	for _, o := range handed.Overtaken {
		overtaken = append(overtaken, BadRow{LoadID: o.LoadID, ID: o.ID})
	}
	if err := r.retry(ctx, func() error { return r.keepBad(ctx, t, load, load.ID, rows, overtaken) }); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	r.tellSetAside(t, load, rows)
	return nil
}

// holds makes sure that the quarantine has the rows that a load has set aside.
func (r *Runner) holds(ctx context.Context, t *Table, load Load, receipt Receipt) error {
	left := receipt.Counts.Quarantined
	if left == 0 {
		return nil
	}
	for row, err := range r.cfg.Quarantine.Rows(ctx, t.Name) {
		if err != nil {
			return fmt.Errorf("read quarantine of %s: %w", t.Name, err)
		}
		if row.LoadID == load.ID {
			left--
		}
	}
	if left > 0 {
		return WithOutcome(Terminal, fmt.Errorf("load %s is in the table, but of the rows that it has set aside %d are not to be found", load.ID, left))
	}
	return nil
}

// lost records that rows which a load has set aside are gone, and pauses the table.
func (v *view) lost(l Load, err error) {
	d := Diagnose(err, l.ID)
	v.pause(d)
	e := v.log(EntryFailed, "after the load: %s", d.Cause)
	v.names(e, l)
	e.Diagnosis = &d
}

// forget removes what the jobs of a load have left, and what they were given. What
// stays is the store's to remove in time.
func (r *Runner) forget(ctx context.Context, t *Table, load Load) {
	keeper, ok := Ability[BadRowKeeper](r.cfg.Dispatcher)
	if !ok || r.cfg.Quarantine == nil {
		return
	}
	for _, id := range load.Jobs {
		if err := r.retry(ctx, func() error { return keeper.Forget(ctx, id) }); err != nil {
			r.cfg.Logger.Warn("documents of a job not removed", "table", t.Name, "load", load.ID, "job", id, "error", err)
		}
	}
}

// StartsOver reports whether an attempt that failed is to be repeated at once, with
// the same changes: it has found bad rows that have to be left out, or rows that come
// in another order than it was read for. Who applies changes by himself, as the job of
// a [Dispatcher], asks after each error of [Sink.Apply].
func (c *Changes) StartsOver() bool { return c.startsOver() }

// Place is where the row first stood.
func (b BadRow) Place() BadPlace { return b.place() }
