package etl

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"
)

// Explanation is how a table stands, why, and what an operator can do about it.
type Explanation struct {
	Table string `json:"table"`
	// At is when, by the Runner's clock.
	At time.Time `json:"at"`
	// Flag and ResumeTo are the table's.
	Flag     JobFlag `json:"flag"`
	ResumeTo JobFlag `json:"resume_to,omitempty"`
	// Diagnosis is why the table is paused, Since from when on; nil and zero
	// where it is not.
	Diagnosis *Diagnosis `json:"diagnosis,omitempty"`
	Since     time.Time  `json:"since,omitzero"`
	// Failure is the history's entry on the load of the diagnosis: its kind,
	// epoch and files, and the engine and job that it ran in.
	Failure *Entry `json:"failure,omitempty"`
	// Failed are the files that failed or vanished, the first of them.
	Failed []FileRecord `json:"failed,omitempty"`
	// Waiting tells what waits: pending and deferred files.
	Waiting Backlog `json:"waiting"`
	// Running and Job are the load that is under way, and its job.
	Running *Load     `json:"running,omitempty"`
	Job     *JobState `json:"job,omitempty"`
	// Trouble is what stood in the way of Running without being final.
	Trouble *Trouble `json:"trouble,omitempty"`
	// Erasure says in a line what of [Runner.Erase] is not done; empty if nothing is.
	Erasure string `json:"erasure,omitempty"`
	// Next is what the next Drain would do if nobody did anything.
	Next Decision `json:"next"`
	// Advice is what each verb would do now, the most helpful first.
	Advice []Advice `json:"advice"`
}

// Backlog is files that wait.
type Backlog struct {
	Pending  int   `json:"pending"`
	Deferred int   `json:"deferred"`
	Bytes    int64 `json:"bytes"`
	// First is the location of the first one, Oldest when the oldest one landed.
	First  string    `json:"first,omitempty"`
	Oldest time.Time `json:"oldest,omitzero"`
}

// Advice is what a verb would do now.
type Advice struct {
	// Verb is resume, retry, skip, reload, complete, cancel or flag.
	Verb string `json:"verb"`
	// Flag is the one to set, of the verb flag.
	Flag JobFlag `json:"flag,omitempty"`
	// Possible is set unless the verb would return an error.
	Possible bool `json:"possible"`
	// Effect says in a line what would come of it, or why it is not possible.
	Effect string `json:"effect"`
	// Next is what the next Drain would do then.
	Next Decision `json:"next,omitzero"`
}

// maxFailed is how many failed files an explanation names.
const maxFailed = 20

// Explain tells why a table stands as it does, and what each verb of an operator
// would do now. It reads the state, the ledger and the history, and does nothing:
// the effects are those of the verbs' own transitions on a copy. It takes memory
// for the records of all files that are applied or wait.
func (r *Runner) Explain(ctx context.Context, table string) (Explanation, error) {
	t, err := r.table(table)
	if err != nil {
		return Explanation{}, err
	}
	var v *view
	err = r.retry(ctx, func() error {
		st, err := r.cfg.Control.State(ctx, t.Name)
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		records, err := r.files(ctx, t.Name, FileQuery{Statuses: append([]FileStatus{Applied}, live...)})
		if err == nil {
			v = newView(*t, st, records, r.cfg.Now())
		}
		return err
	})
	if err != nil {
		return Explanation{}, err
	}
	x := explain(v)
	if x.Failure, err = r.failure(ctx, x.Diagnosis, t.Name); err != nil {
		return Explanation{}, err
	}
	now := rehearsal{view: v, plan: func(v *view) Decision {
		return routed(v.state, plan(r.able(t), v.state, v.planned(), v.now), r.conditions(ctx, t.Name))
	}}
	x.Next = now.plan(v)
	x.Advice = now.advice()
	return x, nil
}

// explain fills in what the state and the ledger say.
func explain(v *view) Explanation {
	st := v.state
	x := Explanation{
		Table: st.Table, At: v.now, Flag: st.Flag, ResumeTo: st.ResumeTo, Diagnosis: st.Paused, Since: st.PausedAt,
		Running: st.Running, Job: st.Job, Trouble: st.Trouble, Erasure: st.Erasures.waiting(v.now),
	}
	for _, rec := range slices.SortedFunc(slices.Values(v.records), compareRecords) {
		switch rec.Status {
		case Failed, Vanished:
			if len(x.Failed) < maxFailed {
				x.Failed = append(x.Failed, rec)
			}
		case Pending, Deferred:
			x.Waiting.add(rec)
		}
	}
	return x
}

func (b *Backlog) add(rec FileRecord) {
	if rec.Status == Deferred {
		b.Deferred++
	} else {
		b.Pending++
	}
	b.Bytes += max(rec.Size, 0)
	b.First = cmp.Or(b.First, rec.Location)
	if b.Oldest.IsZero() || rec.Landed().Before(b.Oldest) {
		b.Oldest = rec.Landed()
	}
}

// failure looks for the entry of a diagnosis in the recent history.
func (r *Runner) failure(ctx context.Context, d *Diagnosis, table string) (*Entry, error) {
	if d == nil || d.LoadID == "" {
		return nil, nil
	}
	left := 200
	for e, err := range r.cfg.Control.History(ctx, table) {
		switch {
		case err != nil:
			return nil, fmt.Errorf("read history: %w", err)
		case e.Diagnosis != nil && e.Diagnosis.LoadID == d.LoadID:
			return &e, nil
		}
		if left--; left == 0 {
			break
		}
	}
	return nil, nil
}

// planned are the records that plan looks at.
func (v *view) planned() []FileRecord {
	var out []FileRecord
	for _, rec := range v.records {
		full := rec.Kind == Full && rec.Status == Pending
		change := rec.Kind == Incremental && (rec.Status == Pending || rec.Status == Deferred)
		if v.state.Open != nil && full || v.state.Open == nil && change {
			out = append(out, rec)
		}
	}
	sortRecords(out)
	return out
}

// copy returns a view that changes by itself.
func (v *view) copy() *view {
	c := newView(v.table, v.state, slices.Clone(v.records), v.now)
	c.state.Open, c.state.Running, c.state.Job = copied(v.state.Open), copied(v.state.Running), copied(v.state.Job)
	c.state.Disposals = slices.Clone(v.state.Disposals)
	return c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
