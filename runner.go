package etl

import (
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// Runner keeps tables in step with the files that land. It is safe for
// concurrent use, and several runners, in one process or in many, may work on
// the same stores.
type Runner struct {
	cfg    Config
	tables map[string]*Table
}

// New returns a Runner, or an error that lists every problem of the config. It
// does no I/O.
func New(cfg Config) (*Runner, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Runner{cfg: cfg, tables: map[string]*Table{}}
	for i := range cfg.Tables {
		r.tables[cfg.Tables[i].Name] = &cfg.Tables[i]
	}
	return r, nil
}

// Report is what one [Runner.Ingest] did.
type Report struct {
	// Listed counts the files shown, Registered those new to the ledger,
	// SetAside those of them that no table takes.
	Listed, Registered, SetAside int
	// Tables are the reports of the tables, in the order of the config.
	Tables []TableReport
}

// TableReport is what one [Runner.Drain] did.
type TableReport struct {
	Table string
	// Loads are the loads applied.
	Loads []AppliedLoad
	// Reason says why it stopped there, Wait after which time it may go on by
	// itself (zero: only if something happens).
	Reason string
	Wait   time.Duration
	// More is set where it stopped for lack of time before the context's
	// deadline: the next Drain can go on at once.
	More bool
	// Locked is set where another runner holds the table's lock. It may have
	// looked at the ledger for the last time already.
	Locked bool
	// Maintained is what automatic maintenance did after the loads, if it ran.
	Maintained *MaintainReport
	// Err is the error that Drain returned.
	Err error
}

// AppliedLoad is a load and what its commit did.
type AppliedLoad struct {
	Load    Load
	Receipt Receipt
	Took    time.Duration
}

// Ingest registers files and drains all tables. Without files it registers what
// the source lists. The error joins those of the tables that were paused or
// could not be finished; the others have been drained all the same.
func (r *Runner) Ingest(ctx context.Context, files ...File) (Report, error) {
	var rep Report
	var err error
	if len(files) == 0 {
		files, err = r.list(ctx)
		if err != nil {
			return rep, err
		}
	}
	rep.Listed = len(files)
	if rep.Registered, rep.SetAside, err = r.register(ctx, files); err != nil {
		return rep, err
	}
	rep.Tables, err = r.DrainAll(ctx)
	return rep, err
}

func (r *Runner) list(ctx context.Context) ([]File, error) {
	var files []File
	err := r.retry(ctx, func() error {
		files = files[:0]
		for f, err := range r.cfg.Source.List(ctx) {
			if err != nil {
				return fmt.Errorf("list source: %w", err)
			}
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

// DrainAll drains every table, Config.Parallel at a time. The error joins those
// of the tables.
func (r *Runner) DrainAll(ctx context.Context) ([]TableReport, error) {
	reports := make([]TableReport, len(r.cfg.Tables))
	var g errgroup.Group
	g.SetLimit(r.cfg.Parallel)
	for i, t := range r.cfg.Tables {
		g.Go(func() error {
			reports[i], _ = r.Drain(ctx, t.Name)
			return nil
		})
	}
	_ = g.Wait()
	errs := make([]error, len(reports))
	for i := range reports {
		errs[i] = reports[i].Err
	}
	return reports, errors.Join(errs...)
}

func (r *Runner) table(name string) (*Table, error) {
	if t, ok := r.tables[name]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("%w: %s is not configured", ErrNoTable, printable(name))
}

// retry repeats fn after transient errors.
func (r *Runner) retry(ctx context.Context, fn func() error) error {
	for attempt := 1; ; attempt++ {
		err := fn()
		if err == nil || canceled(err) || ctx.Err() != nil {
			return err
		}
		if o := OutcomeOf(err); o == Terminal || o == Refused || attempt >= r.cfg.Retry.Attempts {
			return err
		}
		if serr := r.sleep(ctx, attempt); serr != nil {
			return err
		}
	}
}

// pause returns how long to wait before the attempt after the given one.
func (r *Runner) pause(attempt int) time.Duration {
	d := r.cfg.Retry.Base << min(attempt-1, 20)
	if d <= 0 || d > r.cfg.Retry.Max {
		d = r.cfg.Retry.Max
	}
	return rand.N(d) + 1
}

func (r *Runner) sleep(ctx context.Context, attempt int) error {
	return sleep(ctx, r.pause(attempt))
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

// errDone ends a transition that has nothing to store.
var errDone = WithOutcome(Terminal, errors.New("nothing to store"))

// transition reads what q selects of a table, lets fn change it, and stores the
// outcome; on conflicts and transient errors it does so again. An update whose
// answer was lost is recognised by its token, unless others have written since:
// where doing it twice would do harm, fn recognises its own work and returns
// errDone.
func (r *Runner) transition(ctx context.Context, t *Table, fence int64, q FileQuery, fn func(*view) error) (State, error) {
	var st State
	token := ""
	err := r.retryConflicts(ctx, func() error {
		var err error
		if st, err = r.cfg.Control.State(ctx, t.Name); err != nil {
			return fmt.Errorf("read state of %s: %w", t.Name, err)
		}
		if token != "" && st.Token == token {
			return errDone // stored, although the answer was lost
		}
		records, err := r.files(ctx, t.Name, q)
		if err != nil {
			return err
		}
		v := newView(*t, st, records, r.cfg.Now())
		if d, ok := r.cfg.Source.(Disposer); ok {
			v.disposes = d.Disposes
		}
		if err := fn(v); err != nil {
			return err
		}
		if fence > v.state.Fence {
			v.state.Fence = fence
		}
		token = crand.Text()
		v.state.Token = token
		if err := r.cfg.Control.Update(ctx, v.update(fence)); err != nil {
			return fmt.Errorf("store state of %s: %w", t.Name, err)
		}
		st = v.state
		st.Version++
		return nil
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return st, err
}

// conflictLimit bounds how often a transition is tried again because others
// were faster. One of the contenders wins each time, so it is generous.
const conflictLimit = 200

func (r *Runner) retryConflicts(ctx context.Context, fn func() error) error {
	for conflicts := 0; ; conflicts++ {
		var conflict error
		err := r.retry(ctx, func() error {
			err := fn()
			if errors.Is(err, ErrConflict) {
				conflict = err
				return nil
			}
			return err
		})
		if err != nil || conflict == nil {
			return err
		}
		if conflicts >= conflictLimit {
			return conflict
		}
		if err := sleep(ctx, rand.N(time.Duration(min(conflicts+1, 20))*time.Millisecond)+1); err != nil {
			return conflict
		}
	}
}

// files reads the records that q selects of a table; none where q is empty.
func (r *Runner) files(ctx context.Context, table string, q FileQuery) ([]FileRecord, error) {
	if len(q.Statuses) == 0 && len(q.IDs) == 0 {
		return nil, nil
	}
	q.Table = table
	var out []FileRecord
	for rec, err := range r.cfg.Control.Files(ctx, q) {
		if err != nil {
			return nil, fmt.Errorf("read ledger of %s: %w", table, err)
		}
		out = append(out, rec)
	}
	return out, nil
}

func fileIDs(files []File) []string {
	ids := make([]string, len(files))
	for i, f := range files {
		ids[i] = f.ID()
	}
	return slices.Compact(ids)
}
