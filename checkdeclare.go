package etl

import (
	"context"
	"errors"
	"fmt"
)

// CheckDeclarer is an optional ability of a [Check]: DeclareFor gives the form in which
// an engine that runs no Go code makes the check on one load, with all that it takes
// from the scope. An error of outcome Terminal says that there is no such form; other
// errors are met by trying again. A check without it runs in Go only.
type CheckDeclarer interface {
	DeclareFor(ctx context.Context, scope CheckScope) (Declaration, error)
}

// jobScope is what the checks of a job may know.
func (r *Runner) jobScope(ctx context.Context, job Job) (CheckScope, error) {
	scope, err := r.checkScope(ctx, &job.Table)
	scope.Load, scope.Target = job.Load, job.Target
	return scope, err
}

// maxJobVerdicts bounds what is kept of the verdicts that come from other engines.
const maxJobVerdicts = 1000

// clippedVerdicts returns verdicts of another engine within limits.
func clippedVerdicts(found []Checked) []Checked {
	found = found[:min(len(found), maxJobVerdicts)]
	for i := range found {
		c := &found[i]
		for _, text := range []*string{&c.Check, &c.Finding, &c.Column, (*string)(&c.Action)} {
			*text = clipped(*text)
		}
	}
	return found
}

// heldBack is the error of a job's load, which carries the verdicts if a check held
// it back.
func heldBack(cause string, found []Checked) error {
	err := errors.New(cause)
	for _, c := range found {
		if !c.OK && c.Action != CheckWarn {
			err = &jobHeldBack{cause, &CheckError{Checked: c, All: found}}
			break
		}
	}
	return WithOutcome(Terminal, err)
}

// jobHeldBack is a [CheckError] in the words of a job.
type jobHeldBack struct {
	cause string
	*CheckError
}

func (e *jobHeldBack) Error() string { return e.cause }
func (e *jobHeldBack) Unwrap() error { return e.CheckError }

// goOnlyCheck names a check of the table that runs in Go only; empty if there is none.
func (t Table) goOnlyCheck() string {
	for _, c := range t.Checks {
		if _, ok := c.Check.(CheckDeclarer); !ok && c.Check != nil {
			return c.Check.Name()
		}
	}
	return ""
}

// runsInGoOnly is the error of a check that has no declared form.
func (t TableCheck) runsInGoOnly() error {
	return WithOutcome(Terminal, fmt.Errorf("check %s has no declared form and runs in Go only: the table's flag must be L", printable(t.Check.Name())))
}

// Declare writes the check down for an engine that runs no Go code. Its errors name
// the check.
func (t TableCheck) Declare(ctx context.Context, scope CheckScope) (decl Declaration, err error) {
	defer recovered("check", &err)
	d, ok := t.Check.(CheckDeclarer)
	if !ok {
		return Declaration{}, t.runsInGoOnly()
	}
	if decl, err = d.DeclareFor(ctx, scope); err != nil {
		err = fmt.Errorf("check %s: %w", printable(t.Check.Name()), err)
	}
	return decl, err
}
