package etl

import (
	"context"
	"errors"
	"slices"
)

// Disposer is an optional ability of a [Source]: it tidies up files that the
// ledger is done with for now, as it is configured to: moves, tags or deletes
// them. It is told of Applied, Failed and Skipped files.
type Disposer interface {
	// Disposes reports whether there is anything to do with files of a status.
	Disposes(status FileStatus) bool
	// Dispose is called after the ledger holds the status, and again if its
	// outcome was lost. It must leave alone any other content of the location, and
	// return nil where the content is gone or dealt with already.
	Dispose(ctx context.Context, f File, status FileStatus) error
}

// Disposal is a file whose [Disposer] has not answered yet.
type Disposal struct {
	File   File       `json:"file"`
	Status FileStatus `json:"status"`
}

// disposalLimit bounds how many disposals a state carries: where disposing fails
// for good the oldest ones are given up, so that the state stays small.
const disposalLimit = 1000

// due keeps the disposals of a state in step with the status of a record.
func (v *view) due(r *FileRecord) {
	if v.disposes == nil {
		return
	}
	id := r.ID()
	list := slices.DeleteFunc(slices.Clone(v.state.Disposals), func(d Disposal) bool { return d.File.ID() == id })
	switch r.Status {
	case Applied, Failed, Skipped:
		if v.disposes(r.Status) {
			list = append(list, Disposal{r.File, r.Status})
		}
	}
	if over := len(list) - disposalLimit; over > 0 {
		list = list[over:]
	}
	v.state.Disposals = list
}

// dispose has the source tidy up. What fails is tried again by the next Drain:
// the files are in the table, or the operator knows of them, either way.
func (r *Runner) dispose(ctx context.Context, t *Table, fence int64) {
	d, ok := r.cfg.Source.(Disposer)
	if !ok {
		return
	}
	st, err := r.cfg.Control.State(ctx, t.Name)
	if err != nil || len(st.Disposals) == 0 {
		return
	}
	done := map[string]FileStatus{}
	for _, x := range st.Disposals {
		err := r.retry(ctx, func() error { return d.Dispose(ctx, x.File, x.Status) })
		if err != nil {
			r.cfg.Logger.Warn("file not tidied up", "table", t.Name, "file", x.File.Location, "status", string(x.Status), "error", err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		done[x.File.ID()] = x.Status
	}
	if len(done) == 0 {
		return
	}
	_, err = r.transition(ctx, t, fence, FileQuery{}, func(v *view) error {
		n := len(v.state.Disposals)
		v.state.Disposals = slices.DeleteFunc(slices.Clone(v.state.Disposals), func(x Disposal) bool { return done[x.File.ID()] == x.Status })
		if len(v.state.Disposals) == n {
			return errDone
		}
		return nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		r.cfg.Logger.Warn("disposals not recorded", "table", t.Name, "error", err)
	}
}
