package etl

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// A staged load is worked off by whoever holds the table's lock, the leader, and
// by any process that finds the table locked and helps: each file has a lock of its
// own while it is staged. Helpers need no fence, because what is staged of a file
// depends on nothing but load and file, and nothing is published by them.

var (
	// errOvertaken: a newer full load was opened. The staged one gives way.
	errOvertaken = WithOutcome(Terminal, errors.New("a newer full load was opened"))
	// errHalted: the table was paused. A staged load stops between two files.
	errHalted = WithOutcome(Terminal, errors.New("the table was paused"))
	// errLater: the staging stops between two files for lack of time.
	errLater = WithOutcome(Terminal, errors.New("no time is left for another file of the staged load"))
)

// interrupts reports whether a staged load stopped without having failed.
func interrupts(err error) bool {
	return errors.Is(err, errOvertaken) || errors.Is(err, errHalted) || errors.Is(err, errLater)
}

// stageRun is the work of one process on one staged load.
type stageRun struct {
	r      *Runner
	t      *Table
	stager Stager
	target Target // of shaped
	load   Load
	leads  bool

	mu      sync.Mutex
	shaped  *Table        // t with what the files make of its columns
	scope   *CheckScope   // once it is known
	known   map[int]bool  // files staged
	own     int           // by this process
	slowest time.Duration // file of this process
}

func (r *Runner) newStageRun(t *Table, load Load, leads bool) (*stageRun, error) {
	stager, ok := r.cfg.Sink.(Stager)
	if !ok {
		return nil, WithOutcome(Terminal, errors.New("the load was begun as a staged one, which this sink cannot do"))
	}
	target, err := t.Target()
	return &stageRun{r: r, t: t, shaped: t, stager: stager, target: target, load: load, leads: leads, known: map[int]bool{}}, err
}

// applyStaged is apply for a load that is staged file by file.
func (r *Runner) applyStaged(ctx context.Context, t *Table, load Load) (Receipt, error) {
	s, err := r.newStageRun(t, load, true)
	if err != nil {
		return Receipt{}, err
	}
	if receipt, found, err := r.cfg.Sink.Applied(ctx, s.target, load.ID); err != nil || found {
		return receipt, err
	}
	if err := s.evolve(ctx); err != nil {
		return Receipt{}, err
	}
	if err := s.stager.Prepare(ctx, s.target, load); err != nil {
		return Receipt{}, fmt.Errorf("open the staging: %w", err)
	}
	if err := s.run(ctx); err != nil {
		return Receipt{}, again(err)
	}
	if err := s.refresh(ctx); err != nil {
		return Receipt{}, err
	}
	if err := s.withinBudget(ctx); err != nil {
		return Receipt{}, again(err)
	}
	verdicts, err := s.judge(ctx)
	if err != nil {
		return Receipt{}, again(err)
	}
	receipt, err := s.stager.Publish(ctx, s.target, load)
	if err == nil && !receipt.Found {
		receipt.Checks = verdicts
	}
	return receipt, again(err)
}

// again lets a load be tried again whose staging went away.
func again(err error) error {
	if errors.Is(err, ErrNotFound) && !errors.Is(err, ErrFileVanished) {
		return WithOutcome(Retry, err)
	}
	return err
}

// run stages files until all are. A helper also ends where what is left is being
// worked on by others.
func (s *stageRun) run(ctx context.Context) error {
	for idle := 0; ; idle++ {
		todo, err := s.look(ctx)
		if err != nil || len(todo) == 0 {
			return err
		}
		before := len(s.known)
		if err := s.pass(ctx, todo); err != nil {
			return err
		}
		switch {
		case len(s.known) > before:
			idle = 0
		case !s.leads:
			return nil
		case idle > patience: // who has the lock may be dead, and twice does no harm
			if err := s.finish(ctx, todo[0]); err != nil {
				return err
			}
			idle = 0
		default:
			if err := s.r.sleep(ctx, idle+1); err != nil {
				return context.Cause(ctx)
			}
		}
	}
}

// patience is how often the leader waits for files that others work on before it
// stages one of them itself.
const patience = 6

// look returns the files that are not staged.
func (s *stageRun) look(ctx context.Context) ([]int, error) {
	var staged []StagedFile
	err := s.r.retry(ctx, func() (err error) {
		staged, err = s.stager.Staged(ctx, s.target, s.load)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look what is staged: %w", err)
	}
	s.mu.Lock()
	clear(s.known)
	for _, f := range staged {
		s.known[f.Index] = true
	}
	var todo []int
	for i := range s.load.Files {
		if !s.known[i] {
			todo = append(todo, i)
		}
	}
	s.mu.Unlock()
	if !s.leads && len(todo) > 0 { // the leader begins with the first
		at := rand.IntN(len(todo))
		todo = append(todo[at:], todo[:at]...)
	}
	return todo, s.tell(ctx)
}

// tell puts into the state how far the staging is, and finds out whether it is
// still wanted.
func (s *stageRun) tell(ctx context.Context) error {
	s.mu.Lock()
	n := len(s.known)
	s.mu.Unlock()
	var verdict error
	_, err := s.r.transition(ctx, s.t, s.fence(), FileQuery{}, func(v *view) error {
		verdict = v.wants(s.load)
		if verdict != nil || n <= v.state.Staged {
			return errDone
		}
		v.state.Staged, v.state.Begun = n, min(v.state.Begun, 1)
		return nil
	})
	return errors.Join(err, verdict)
}

// fence is that of the leader; helpers write without one.
func (s *stageRun) fence() int64 {
	if s.leads {
		return s.load.Fence
	}
	return 0
}

// wants says whether a staged load is to go on.
func (v *view) wants(l Load) error {
	run := v.state.Running
	switch {
	case run == nil || run.ID != l.ID:
		return fmt.Errorf("load %s is not at work any more: %w", l.ID, ErrStaleFence)
	case v.state.overtaken():
		return errOvertaken
	case v.state.Flag == FlagPaused:
		return errHalted
	}
	return nil
}

// overtaken reports whether a full load was opened after the staged one that runs.
func (st State) overtaken() bool {
	run, open := st.Running, st.Open
	return run != nil && run.Staged && open != nil && open.Epoch > run.Epoch
}

// pass stages those of the files that nobody else is working on.
func (s *stageRun) pass(ctx context.Context, todo []int) error {
	var g errgroup.Group
	g.SetLimit(s.t.Staging.withDefaults().Workers)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, i := range todo {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			err := s.one(ctx, i)
			if err != nil {
				cancel(err)
			}
			return err
		})
	}
	_ = g.Wait() // the cause is what came first
	return context.Cause(ctx)
}
