package awsetl

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tidemark-data/etl"
)

// left is what a drain has left for the next one.
type left struct {
	delay time.Duration
	// hops counts the wake-ups in a row without progress, the next one included.
	hops int
}

func (c *call) drain(ctx context.Context) {
	var tables []string
	for _, t := range c.cfg.Tables {
		if _, ok := c.wants[t.Name]; ok {
			tables = append(tables, t.Name)
		}
	}
	reports := make([]etl.TableReport, len(tables))
	var g errgroup.Group
	g.SetLimit(c.cfg.Parallel)
	for i, table := range tables {
		g.Go(func() error {
			reports[i] = c.drainTable(ctx, table)
			return nil
		})
	}
	_ = g.Wait()
	for i, table := range tables {
		c.answer.Tables = append(c.answer.Tables, newTableAnswer(reports[i]))
		l, more := next(reports[i], c.wants[table], ctx.Err() != nil)
		switch {
		case more && c.tooShort && len(reports[i].Loads) == 0:
			c.giveUp(table, "the function's timeout leaves no time to load: it must be longer than Parts.Grace and Config.Margin together")
		case more:
			if l.delay > 0 && reports[i].Err == nil && c.hasJob(ctx, table) {
				l.hops = 1
			}
			c.left[table] = l
		}
	}
}

// drainTable drains a table, and once more after maintenance: while that holds
// the lock nobody looks at the ledger, and whoever registered a file meanwhile
// found the table locked.
func (h *Handler) drainTable(ctx context.Context, table string) etl.TableReport {
	start := time.Now()
	var whole etl.TableReport
	for {
		rep, _ := h.runner.Drain(ctx, table)
		rep.Loads = append(whole.Loads, rep.Loads...)
		whole = rep
		if rep.Err != nil || rep.More {
			return whole
		}
		if rep.Maintained != nil {
			continue
		}
		pause := h.linger(rep)
		if pause == 0 || time.Since(start)+pause > h.parts.Linger || sleep(ctx, pause) != nil {
			return whole
		}
	}
}

// linger returns how long to wait before the table is looked at again in the same
// invocation; zero is not at all. A delayed wake-up is better where there is one.
func (h *Handler) linger(rep etl.TableReport) time.Duration {
	switch {
	case h.canDelay() || rep.Wait == 0:
		return 0
	case rep.Locked:
		return time.Second/2 + rand.N(time.Second)
	}
	return rep.Wait
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Delays of wake-ups.
const (
	firstLockedDelay = 5 * time.Second
	firstErrorDelay  = 30 * time.Second
	maxErrorDelay    = 15 * time.Minute
)

// next says whether a table has to be looked at again after a drain, and when. hops is
// that of the wake-up which led to the drain; cut is set where time has run out.
//
// A table that is locked has to be: the holder may have looked at the ledger for
// the last time before our file was in it, and give the lock back just now.
func next(rep etl.TableReport, hops int, cut bool) (left, bool) {
	l := left{hops: hops + 1}
	if len(rep.Loads) > 0 {
		l.hops = 1
	}
	doubled := func(d, limit time.Duration) time.Duration {
		return min(d<<min(l.hops-1, 10), limit)
	}
	switch {
	case rep.More, rep.Err != nil && cut:
		return l, true
	case rep.Err != nil && etl.OutcomeOf(rep.Err) == etl.Terminal:
		return l, false // paused: an operator's turn
	case rep.Err != nil:
		l.delay = doubled(firstErrorDelay, maxErrorDelay)
	case rep.Locked:
		l.delay = doubled(firstLockedDelay, rep.Wait)
	default:
		l.delay = rep.Wait
	}
	return l, l.delay > 0
}
