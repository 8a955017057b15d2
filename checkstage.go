package etl

import (
	"context"
	"errors"
	"fmt"
)

// span is how much of a load the check must see.
func (t TableCheck) span() CheckSpan {
	if s, ok := t.Check.(CheckSpanner); ok {
		return s.Span()
	}
	return SpanLoad
}

// spanned are the table's checks of a span.
func (t Table) spanned(span CheckSpan) []TableCheck {
	var out []TableCheck
	for _, c := range t.Checks {
		if c.Check != nil && c.span() == span {
			out = append(out, c)
		}
	}
	return out
}

// stageable checks that full loads of the table can be judged while they are staged.
func (t Table) stageable() error {
	if whole := t.spanned(SpanLoad); len(whole) > 0 {
		return fmt.Errorf("check %s must see a load as a whole, so full loads cannot be staged file by file", printable(whole[0].Check.Name()))
	}
	return nil
}

// checkScope is that of the checks of a file. The history is read once.
func (s *stageRun) checkScope(ctx context.Context) (CheckScope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.scope == nil {
		scope, err := s.r.checkScope(ctx, s.t)
		if err != nil {
			return scope, err
		}
		s.scope = &scope
	}
	scope := *s.scope
	scope.Now = s.r.cfg.Now()
	return scope, nil
}

// judge asks the checks which need no more than counts, once all files are staged.
func (s *stageRun) judge(ctx context.Context) ([]Checked, error) {
	if len(s.t.Checks) == 0 {
		return nil, nil
	}
	if err := s.t.stageable(); err != nil { // declared since the load was begun
		return nil, WithOutcome(Terminal, err)
	}
	staged, err := s.stager.Staged(ctx, s.target, s.load)
	if err != nil {
		return nil, fmt.Errorf("look what is staged: %w", err)
	}
	scope, err := s.checkScope(ctx)
	if err != nil {
		return nil, err
	}
	scope.Load, scope.Target, scope.TempDir = s.load, s.target, s.r.cfg.TempDir
	c := &checking{all: s.t.spanned(SpanCounts), scope: scope}
	defer c.close()
	if err := c.begin(ctx); err != nil {
		return nil, err
	}
	for _, f := range staged {
		c.counts.Add(f.Counts)
	}
	if err := c.judge(ctx); err != nil {
		return nil, err
	}
	rows, err := s.rowVerdicts(ctx)
	return append(rows, c.found...), err
}

// rowVerdicts sums up what the checks of rows found in the staged files.
func (s *stageRun) rowVerdicts(ctx context.Context) ([]Checked, error) {
	against, seen := map[string]int{}, 0
	for e, err := range s.r.cfg.Control.History(ctx, s.t.Name) {
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", s.t.Name, err)
		}
		if seen++; e.Kind == EntryApplied || seen > pastEntries+len(s.load.Files) {
			break
		}
		for _, c := range e.Checks {
			if e.Kind == EntryChecked && e.LoadID == s.load.ID && !c.OK {
				against[c.Check]++
			}
		}
	}
	var out []Checked
	for _, t := range s.t.spanned(SpanRow) {
		name, n := t.Check.Name(), len(s.load.Files)
		v := Verdict{OK: against[name] == 0, Finding: fmt.Sprintf("holds in %d of %d files", n-min(n, against[name]), n)}
		out = append(out, Checked{Check: name, Action: t.action(), Verdict: v})
	}
	return out, nil
}

func (t TableCheck) action() CheckAction {
	if t.Action == "" {
		return CheckPause
	}
	return t.Action
}

// judged puts the verdicts against a staged file into the history, and tells of all.
func (s *stageRun) judged(ctx context.Context, f File, found []Checked) error {
	var against []Checked
	for _, c := range found {
		if !c.OK {
			against = append(against, c)
		}
	}
	if len(against) > 0 {
		_, err := s.r.transition(ctx, s.t, s.fence(), FileQuery{}, func(v *view) error {
			e := v.log(EntryChecked, "%s", findings(against))
			v.names(e, s.load)
			e.LastFile, e.Checks = f.Location, against
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.r.tellChecked(s.t, s.load, found)
}

// findings lists what checks found that do not hold.
func findings(found []Checked) string {
	text := ""
	for _, c := range found {
		if c.OK {
			continue
		}
		if text != "" {
			text += "; "
		}
		text += "check " + printable(c.Check) + ": " + c.Finding
	}
	return text
}

// tellChecked tells the observer of verdicts.
func (r *Runner) tellChecked(t *Table, load Load, found []Checked) error {
	f := r.cfg.Observer.Checked
	for _, c := range found {
		if !c.OK {
			r.cfg.Logger.Warn("check does not hold", "table", t.Name, "load", load.ID, "run", load.Fence, "check", c.Check, "action", string(c.Action), "finding", c.Finding)
		}
		if f == nil {
			continue
		}
		if err := r.tell(t, "Checked", func() { f(load, c) }); err != nil {
			return err
		}
	}
	return nil
}

// verdictsOf are those of a load that a check holds back.
func verdictsOf(err error) []Checked {
	var ce *CheckError
	if errors.As(err, &ce) {
		return ce.All
	}
	return nil
}
