package etl

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// checking runs the checks of a table on one load. Its methods take nil for a table
// without checks.
type checking struct {
	all     []TableCheck
	scope   CheckScope
	running []*runningCheck
	settled []*Resolution
	found   []Checked
}

type runningCheck struct {
	TableCheck
	checker Checker
	refused int64 // rows
	at      int64 // position of the first
}

// CheckError is the error of a load that a check holds back.
type CheckError struct{ Checked }

func (e *CheckError) Error() string { return "check " + e.Check + ": " + e.Finding }

// checked yields the parts of a load and judges it after the last one.
func (c *Changes) checked(ctx context.Context, parts iter.Seq2[*Part, error]) iter.Seq2[*Part, error] {
	if c.checks == nil {
		return parts
	}
	return func(yield func(*Part, error) bool) {
		if err := c.checks.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		for p, err := range parts {
			if !yield(p, err) || err != nil {
				return
			}
		}
		if err := c.checks.judge(ctx); err != nil {
			yield(nil, err)
		}
	}
}

func (c *checking) begin(ctx context.Context) (err error) {
	defer recovered("check", &err)
	c.running, c.settled, c.found = nil, nil, nil
	for _, t := range c.all {
		checker, err := t.Check.Begin(ctx, c.scope)
		if err != nil {
			return err
		}
		c.running = append(c.running, &runningCheck{TableCheck: t, checker: checker})
	}
	return nil
}

// look shows a batch to the checks. The places of its rows are at.
func (c *checking) look(ctx context.Context, w *winners, batch arrow.RecordBatch, at []int64) (err error) {
	if c == nil || batch.NumRows() == 0 {
		return nil
	}
	defer recovered("check", &err)
	for _, r := range c.running {
		refused, err := r.checker.Rows(ctx, batch)
		if err != nil {
			return fmt.Errorf("check %s: %w", r.Check.Name(), err)
		}
		if len(refused) == 0 {
			continue
		}
		if refused[0] < 0 || refused[len(refused)-1] >= int(batch.NumRows()) {
			return WithOutcome(Terminal, fmt.Errorf("check %s refuses rows that are not there", r.Check.Name()))
		}
		if r.Action != CheckWarn && w.r.part.stream {
			return errTwoPasses // which know the places of rows
		}
		if r.refused == 0 && len(at) == int(batch.NumRows()) {
			r.at = at[refused[0]]
		}
		r.refused += int64(len(refused))
	}
	return nil
}

// judge asks for the verdicts. The error is that of the first check which does not
// hold and pauses the table.
func (c *checking) judge(ctx context.Context) (err error) {
	defer recovered("check", &err)
	var counts Counts
	for _, r := range c.settled {
		counts.Add(r.Counts())
	}
	var failed error
	for _, r := range c.running {
		v, err := r.checker.Verdict(ctx, counts)
		if err != nil {
			return fmt.Errorf("check %s: %w", r.Check.Name(), err)
		}
		action := r.Action
		if action == "" {
			action = CheckPause
		}
		found := Checked{Check: r.Check.Name(), Action: action, Verdict: v}
		c.found = append(c.found, found)
		if !v.OK && action != CheckWarn && failed == nil {
			failed = c.place(r, &CheckError{found})
		}
	}
	return failed
}

// verdicts are those of the last pass.
func (c *checking) verdicts() []Checked {
	if c == nil {
		return nil
	}
	return c.found
}

// scope is what the checks of a table may know.
func (r *Runner) checkScope(ctx context.Context, t *Table) (CheckScope, error) {
	scope := CheckScope{Now: r.cfg.Now()}
	if len(t.Checks) == 0 {
		return scope, nil
	}
	for e, err := range r.cfg.Control.History(ctx, t.Name) {
		if err != nil {
			return scope, fmt.Errorf("read history of %s: %w", t.Name, err)
		}
		if e.Kind == EntryApplied && e.Receipt != nil {
			scope.Past = append(scope.Past, PastLoad{Kind: e.LoadKind, Receipt: *e.Receipt})
		}
		if len(scope.Past) == pastLoads {
			break
		}
	}
	scope.Tables, _ = Ability[Scanner](r.cfg.Sink)
	return scope, nil
}

// pastLoads is how many loads of before checks are told of.
const pastLoads = 100

// place puts the first row that a check refused before its verdict.
func (c *checking) place(r *runningCheck, err *CheckError) error {
	if r.refused == 0 || len(c.settled) == 0 {
		return WithOutcome(Terminal, err)
	}
	w := &winners{c: c.settled[0].part.c, in: c.settled[0].part.in}
	return w.badRow(r.at, err.Column, "refused", err)
}
