package etl

import (
	"context"
	"errors"
	"slices"
)

// Disposer is an optional ability of a [Source]: it tidies up files that the
// ledger is done with for now, as it is configured to: moves, tags or deletes
// them. It is told of Applied, Failed and Skipped files. An object that holds rows of
// several tables ([File.Part]) it is told of once, as the whole object, when all of
// them have applied it or passed over it.
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
		if _, _, mended := mendedRow(r.Location); !mended && v.disposes(r.Status) {
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
	due, err := r.disposable(ctx, t, st.Disposals)
	if err != nil {
		r.cfg.Logger.Warn("files not tidied up", "table", t.Name, "error", err)
		return
	}
	done := map[string]FileStatus{}
	for _, x := range st.Disposals {
		status, ok := due[x.File.ID()]
		if !ok {
			continue
		}
		err := r.retry(ctx, func() error { return d.Dispose(ctx, x.File.Object(), status) })
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

// disposable returns, by file ID, what there is to dispose of now, and as what. An
// object that holds rows of several tables stays where it is until all of them are
// done with it: it is then Applied, or Skipped if any of them skipped its part.
func (r *Runner) disposable(ctx context.Context, t *Table, list []Disposal) (map[string]FileStatus, error) {
	due := map[string]FileStatus{}
	parts := map[string][]string{}
	var ids []string
	for _, x := range list {
		id := x.File.ID()
		if x.File.Part == "" {
			due[id] = x.Status
			continue
		}
		for _, rec := range r.cfg.Records(x.File) {
			parts[id] = append(parts[id], rec.ID())
		}
		ids = append(ids, parts[id]...)
	}
	if len(ids) == 0 {
		return due, nil
	}
	status, err := r.settledParts(ctx, t, ids)
	if err != nil {
		return nil, err
	}
	for id, others := range parts {
		if all, ok := together(status, id, others); ok {
			due[id] = all
		}
	}
	return due, nil
}

// together returns what an object is whose parts are settled.
func together(status map[string]FileStatus, id string, parts []string) (all FileStatus, ok bool) {
	if !slices.Contains(parts, id) { // the layout thinks differently by now
		return "", false
	}
	all = Applied
	for _, part := range parts {
		s, settled := status[part]
		if !settled {
			return "", false
		}
		if s == Skipped {
			all = Skipped
		}
	}
	return all, true
}

// settledParts returns the status of those files that are applied or passed over.
func (r *Runner) settledParts(ctx context.Context, t *Table, ids []string) (map[string]FileStatus, error) {
	slices.Sort(ids)
	recs, err := r.files(ctx, t.Name, FileQuery{IDs: slices.Compact(ids), AnyTable: true})
	if err != nil {
		return nil, err
	}
	epochs := map[string]int64{}
	settled := map[string]FileStatus{}
	for i := range recs {
		rec := &recs[i]
		switch rec.Status {
		case Applied, Skipped:
			settled[rec.ID()] = rec.Status
		case Superseded: // comes back if its full load is given up
			epoch, known := epochs[rec.Table]
			if !known {
				st, err := r.cfg.Control.State(ctx, rec.Table)
				if err != nil {
					return nil, err
				}
				epoch, epochs[rec.Table] = st.Epoch, st.Epoch
			}
			if rec.Epoch <= epoch {
				settled[rec.ID()] = Superseded
			}
		}
	}
	return settled, nil
}
