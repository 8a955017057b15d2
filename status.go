package etl

import (
	"context"
	"fmt"
	"iter"
	"time"
)

// Plan says what Drain would do next, and does nothing. Of tables with a contract it
// looks at the columns of the next load's files.
func (r *Runner) Plan(ctx context.Context, table string) (Decision, error) {
	t, err := r.table(table)
	if err != nil {
		return Decision{}, err
	}
	d, st, err := r.decide(ctx, t)
	if err == nil {
		err = r.foresee(ctx, t.as(st.Evolved), &d)
	}
	return d, err
}

// History yields what happened to a table, newest first. The empty name is
// that of the files that no table takes.
func (r *Runner) History(ctx context.Context, table string) iter.Seq2[Entry, error] {
	return r.cfg.Control.History(ctx, table)
}

// TableStatus is where a table stands.
type TableStatus struct {
	State State `json:"state"`
	// Files counts the ledger's records by status.
	Files map[FileStatus]int `json:"files"`
	// Lag is how long ago the oldest file landed that is waiting; zero if none is.
	Lag time.Duration `json:"lag"`
	// Why says in a line why the table does not go on, if it does not.
	Why string `json:"why,omitempty"`
	// Erasure says in a line what of [Runner.Erase] is not done; empty if nothing is.
	Erasure string `json:"erasure,omitempty"`
}

// Status returns where a table stands. The empty name is that of the files
// that no table takes.
func (r *Runner) Status(ctx context.Context, table string) (TableStatus, error) {
	s := TableStatus{Files: map[FileStatus]int{}}
	t := &Table{}
	var err error
	if table != "" {
		if t, err = r.table(table); err != nil {
			return s, err
		}
	}
	if s.State, err = r.cfg.Control.State(ctx, table); err != nil {
		return s, err
	}
	if s.State.Flag == "" {
		s.State.Flag = t.Flag
	}
	now := r.cfg.Now()
	s.Erasure = s.State.Erasures.waiting(now)
	for rec, err := range r.cfg.Control.Files(ctx, FileQuery{Table: table}) {
		if err != nil {
			return s, err
		}
		s.Files[rec.Status]++
		switch rec.Status {
		case Pending, Deferred, Running, Failed:
			s.Lag = max(s.Lag, now.Sub(rec.Landed()))
		}
	}
	if table != "" {
		s.Why, err = r.why(ctx, t, s.State)
	}
	return s, err
}

func (r *Runner) why(ctx context.Context, t *Table, st State) (string, error) {
	if st.Flag == FlagPaused && st.Paused != nil {
		return st.Paused.Cause, nil
	}
	if run := st.Running; run != nil && run.Staged && st.Job == nil {
		return fmt.Sprintf("staged %d of %d files", st.Staged, len(run.Files)), nil
	}
	d, _, err := r.decide(ctx, t)
	if err == nil && d.Job != nil {
		return d.Reason, nil
	}
	if err != nil || d.Load != nil || len(d.Late) > 0 || d.Reason == "nothing is pending" {
		return "", err
	}
	return d.Reason, nil
}
