package etl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A load of a table under flag auto that runs in this process and turns out to be
// too big for it is cancelled and goes to the other engine in the same Drain. If
// its commit went through at the last moment after all, or does so later, the job
// is not submitted, or finds the load ID: the hand-over closes the table to it first.

// handOver is the cause with which such a load is cancelled.
type handOver struct{ why string }

func (h *handOver) Error() string { return h.why }

// errHandedOver: the load that was worked on is another engine's now. Plan again.
var errHandedOver = WithOutcome(Terminal, errors.New("the load was handed over"))

// watch looks at the progress of a load in this process.
type watch struct {
	stop  context.CancelCauseFunc
	began time.Time
	left  time.Duration // for the load, from its begin; negative is any
	rows  float64       // expected; 0 is unknown
	limit float64       // rows whose keys are too many for this process

	mu   sync.Mutex
	seen map[progress]int64
}

type progress struct {
	location string
	pass     int
}

type watchKey struct{}

// watched returns the context under which a load runs that may be handed over.
func (r *Runner) watched(ctx context.Context, st State, load Load) (context.Context, func()) {
	c := r.conditions(ctx, load.Table)
	if st.Flag != FlagAuto || !c.dispatcher || c.local != "" || load.Staged || st.Erasures.concerns(load.Files) {
		return ctx, func() {}
	}
	ctx, stop := context.WithCancelCause(ctx)
	w := &watch{stop: stop, began: time.Now(), left: -1, seen: map[progress]int64{}, limit: float64(c.budget) * spillLimit / keyBytes}
	if p := st.Pace; p != nil && p.BytesPerRow > 0 {
		w.rows = estimated(load, p).rows
	}
	done := func() { stop(nil) }
	if c.bounded && r.cfg.Margin > 0 {
		w.left = max(c.left, 0)
		timer := time.AfterFunc(w.left, func() {
			w.end("it was not done after the %.1f s that it had", w.left.Seconds())
		})
		done = func() { timer.Stop(); stop(nil) }
	}
	return context.WithValue(ctx, watchKey{}, w), done
}

func (w *watch) end(format string, args ...any) {
	w.stop(&handOver{fmt.Sprintf("handed over from L: "+format+": G", args...)})
}

// told takes note of progress, and ends a load that will not make it.
func (w *watch) told(location string, pass int, rows int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := progress{location, pass}
	w.seen[at] = max(w.seen[at], rows)
	var done, keys float64
	for p, n := range w.seen {
		done += float64(n)
		if p.pass == 1 {
			keys += float64(n)
		}
	}
	if keys > w.limit {
		w.end("it has more than %.0f rows, more than the memory budget is for", w.limit)
		return
	}
	total := w.rows
	if keys > 0 {
		total *= 2 // two passes over the rows
	}
	took := time.Since(w.began)
	if w.left < 0 || total == 0 || done == 0 || done >= total || took < w.left/10 {
		return
	}
	if need := took.Seconds() * total / done; need > w.left.Seconds()*reserve {
		w.end("after %.1f s %.0f of about %.0f rows are read, so it needs %.0f of the %.0f s that it has",
			took.Seconds(), done, total, need, w.left.Seconds())
	}
}

// tooBig returns why a load was cancelled under its watch, if it was.
func tooBig(watched context.Context) (h *handOver, ok bool) {
	ok = errors.As(context.Cause(watched), &h)
	return h, ok
}

// handOver records that a load which was cancelled goes to the other engine.
func (r *Runner) handOver(ctx context.Context, t *Table, load Load, h *handOver) error {
	_, err := r.transition(ctx, t, load.Fence, FileQuery{}, func(v *view) error {
		run := v.state.Running
		if run == nil || run.ID != load.ID || run.Fence != load.Fence || run.Engine == FlagDistributed {
			return errDone
		}
		v.handOver(h.why)
		return nil
	})
	if err != nil {
		return err
	}
	return errHandedOver
}
