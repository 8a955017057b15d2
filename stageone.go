package etl

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// one stages a file under its lock, unless somebody else has that.
func (s *stageRun) one(ctx context.Context, i int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // that of another file
	}
	if s.short(ctx) {
		return errLater
	}
	return s.r.withLease(ctx, stageLock(s.t.Name, i), func(ctx context.Context, _ int64) error {
		return s.finish(ctx, i)
	}, func() {})
}

// finish stages a file.
func (s *stageRun) finish(ctx context.Context, i int) error {
	start := time.Now()
	var staged StagedFile
	err := s.r.retry(ctx, func() (err error) {
		staged, err = s.stage(ctx, i)
		return err
	})
	if err != nil {
		return err
	}
	return s.staged(ctx, staged, time.Since(start))
}

// stageLock names the lock of a file of a staged load. It goes by the file's place in
// the load: lockers keep every name for ever, so there should be few.
func stageLock(table string, i int) string { return table + "#stage#" + strconv.Itoa(i) }

// short reports whether the context ends too soon for another file.
func (s *stageRun) short(ctx context.Context) bool {
	end, ok := ctx.Deadline()
	if !ok || s.r.cfg.Margin == 0 {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(end) < max(s.r.cfg.Margin, 2*s.slowest)
}

func (s *stageRun) stage(ctx context.Context, i int) (StagedFile, error) {
	for {
		t, target := s.columns()
		staged, err := s.stageAs(ctx, t, target, i)
		var null *nullFound
		if !errors.As(err, &null) || ctx.Err() != nil {
			return staged, err
		}
		if again, rerr := s.relax(ctx, t, null); rerr != nil || !again {
			return staged, errors.Join(rerr, err)
		}
	}
}

// stageAs stages a file of a table with given columns.
func (s *stageRun) stageAs(ctx context.Context, t *Table, target Target, i int) (StagedFile, error) {
	ctx, cfg, stop := s.r.changesConfig(ctx, t, s.load)
	defer stop(nil)
	var err error
	if cfg.Scope, err = s.checkScope(ctx); err != nil {
		return StagedFile{}, err
	}
	if cfg.aside, err = s.r.aside(ctx, s.t, s.load, i); err != nil {
		return StagedFile{}, err
	}
	if cfg.shapes, err = s.shape(ctx, t, cfg.Source, i); err != nil {
		return StagedFile{}, err
	}
	changes, err := StageChanges(cfg, i)
	if err != nil {
		return StagedFile{}, WithOutcome(Terminal, err)
	}
	staged, err := s.stager.Stage(ctx, target, s.load, i, changes)
	for err != nil && ctx.Err() == nil && changes.startsOver() {
		staged, err = s.stager.Stage(ctx, target, s.load, i, changes)
	}
	if err == nil && !staged.Found {
		s.r.tellQuarantined(s.t, s.load, changes)
		err = s.judged(ctx, s.load.Files[i], changes.Verdicts())
	}
	return staged, ownPanic(ctx, err)
}

// staged takes note of a staged file.
func (s *stageRun) staged(ctx context.Context, f StagedFile, took time.Duration) error {
	s.mu.Lock()
	s.known[f.Index] = true
	if f.Found {
		s.mu.Unlock()
		return nil
	}
	s.own++
	s.slowest = max(s.slowest, took)
	done, total := len(s.known), len(s.load.Files)
	due := s.own%max(1, total/1000) == 0
	s.mu.Unlock()
	s.r.cfg.Logger.Debug("file staged", "table", s.t.Name, "load", s.load.ID, "file", s.load.Files[f.Index].Location, "done", done, "of", total)
	if tell := s.r.cfg.Observer.Staged; tell != nil {
		if err := s.r.tell(s.t, "Staged", func() { tell(s.load, f, done, total) }); err != nil {
			return err
		}
	}
	if !due {
		return nil
	}
	return s.tell(ctx)
}
