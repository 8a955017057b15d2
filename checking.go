package etl

import (
	"context"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// checking runs the checks of a table on one load. Its methods take nil for a table
// without checks.
type checking struct {
	all     []TableCheck
	scope   CheckScope
	running []*runningCheck
	settled []*Resolution // of the part at hand
	counts  Counts        // of the parts before
	from    *winners      // of the part at hand, or of the last one with rows
	found   []Checked
}

type runningCheck struct {
	TableCheck
	checker Checker
	refused int64 // rows
	at      int64 // position of the first
}

// CheckError is the error of a load that a check holds back. All are the verdicts of
// all checks, that one's among them.
type CheckError struct {
	Checked
	All []Checked
}

func (e *CheckError) Error() string { return "check " + e.Check + ": " + e.Finding }

// checked yields the parts of a load and judges it after the last one.
func (c *Changes) checked(ctx context.Context, parts iter.Seq2[*Part, error]) iter.Seq2[*Part, error] {
	if c.checks == nil && c.bad == nil {
		return parts
	}
	return func(yield func(*Part, error) bool) {
		defer c.checks.close()
		if err := c.checks.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		for p, err := range parts {
			if !yield(p, err) || err != nil {
				return
			}
			c.checks.tally()
		}
		err := c.bad.verdict()
		if err == nil {
			err = c.checks.judge(ctx)
		}
		if err == nil {
			err = c.bad.finish(ctx)
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (c *checking) begin(ctx context.Context) (err error) {
	if c == nil {
		return nil
	}
	defer recovered("check", &err)
	c.running, c.settled, c.found, c.counts, c.from = nil, nil, nil, Counts{}, nil
	for _, t := range c.all {
		checker, err := t.Check.Begin(ctx, c.scope)
		if err != nil {
			return err
		}
		c.running = append(c.running, &runningCheck{TableCheck: t, checker: checker})
	}
	return nil
}

// close ends the checkers. What they found stays.
func (c *checking) close() {
	defer func() { _ = recover() }() // the load is over
	for _, r := range c.running {
		if closer, ok := r.checker.(io.Closer); ok {
			_ = closer.Close()
		}
	}
	c.running, c.settled, c.from = nil, nil, nil
}

// look shows a batch to the checks. The places of its rows are at; where they are not
// known they are found in what it was made of.
func (c *checking) look(ctx context.Context, w *winners, batch arrow.RecordBatch, at []int64, of *untold) (err error) {
	if c == nil || batch.NumRows() == 0 {
		return nil
	}
	defer recovered("check", &err)
	c.from = w
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
		if r.Action != CheckWarn && w.r.part.stream && !w.c.appends() {
			return errTwoPasses // which know the places of rows
		}
		if of != nil && r.Action != CheckWarn {
			if at, err = w.places(ctx, of); err != nil {
				return err
			}
			of = nil
		}
		placed := len(at) == int(batch.NumRows())
		if placed && r.Action == CheckQuarantine && w.c.bad.tolerates() {
			for _, i := range refused {
				w.refuse(at[i], &RowError{Rule: "refused by check " + r.Check.Name()})
			}
			continue
		}
		for _, i := range refused {
			if placed && (r.at == 0 || at[i] < r.at) {
				r.at = at[i]
			}
		}
		r.refused += int64(len(refused))
	}
	return nil
}

// tally counts the rows of a part that is done with.
func (c *checking) tally() {
	if c == nil {
		return
	}
	for _, r := range c.settled {
		c.counts.Add(r.Counts())
	}
	c.settled = nil
}

// judge asks for the verdicts. The error is that of the first check which does not
// hold and pauses the table.
func (c *checking) judge(ctx context.Context) (err error) {
	if c == nil {
		return nil
	}
	defer recovered("check", &err)
	var failed *CheckError
	var by *runningCheck
	for _, r := range c.running {
		v, err := r.checker.Verdict(ctx, c.counts)
		if err != nil {
			return fmt.Errorf("check %s: %w", r.Check.Name(), err)
		}
		action := r.action()
		found := Checked{Check: r.Check.Name(), Action: action, Verdict: v}
		c.found = append(c.found, found)
		if !v.OK && action != CheckWarn && failed == nil {
			failed, by = &CheckError{Checked: found}, r
		}
	}
	if failed == nil {
		return nil
	}
	failed.All = c.found
	return c.place(by, failed)
}

// Verdicts are those of the table's checks, in the order of the table, once Parts has
// ended without an error. A sink keeps them in the load's receipt.
func (c *Changes) Verdicts() []Checked {
	if c.checks == nil {
		return nil
	}
	return slices.Clone(c.checks.found)
}

// scope is what the checks of a table may know.
func (r *Runner) checkScope(ctx context.Context, t *Table) (CheckScope, error) {
	scope := CheckScope{Now: r.cfg.Now()}
	if len(t.Checks) == 0 {
		return scope, nil
	}
	seen := 0
	for e, err := range r.cfg.Control.History(ctx, t.Name) {
		if err != nil {
			return scope, fmt.Errorf("read history of %s: %w", t.Name, err)
		}
		if e.Kind == EntryApplied && e.Receipt != nil {
			scope.Past = append(scope.Past, PastLoad{Kind: e.LoadKind, Receipt: *e.Receipt})
		}
		if seen++; len(scope.Past) == pastLoads || seen == pastEntries {
			break
		}
	}
	scope.Tables, _ = Ability[Scanner](r.cfg.Sink)
	return scope, nil
}

// Checks are told of so many loads of before, which are looked for in so many entries
// of the history.
const (
	pastLoads   = 100
	pastEntries = 1000
)

// place puts the first row that a check refused before its verdict.
func (c *checking) place(r *runningCheck, err *CheckError) error {
	if r.refused == 0 || r.at == 0 {
		return WithOutcome(Terminal, err)
	}
	return c.from.badRow(r.at, err.Column, "refused", err)
}
