// Package catalogsink is a sink for Iceberg tables in any catalog that
// iceberg-go knows. It links neither a catalog nor a cloud's file system: those
// come with the packages that compose it, as package icebergsink does for a
// SQLite catalog and a local folder.
//
// An incremental load finds the rows of its keys by reading the key columns and
// removes them, in one snapshot with the new rows. How is the table's choice:
//
//   - With position-delete files (Iceberg spec, "Position Delete Files"), the
//     default, which every reader takes. Up to eight touched data files get one
//     each; beyond, one speaks of all data files of a partition.
//   - With data files written anew, where the property "tidemark.write-mode"
//     ([PropWriteMode]) is "copy-on-write", or "auto" for files that lose much.
//   - With deletion vectors in place of position-delete files, where the property
//     "format-version" is "3". Rows that are written anew there keep their ids
//     (Iceberg spec, "Row Lineage"); a row that a load changes is a new one.
//
// A full load replaces all data and delete files in one snapshot. Every
// snapshot's summary says which load it is, so the tables themselves know where
// they stand.
//
// Data files are Parquet with plain and dictionary encodings, which every reader
// takes, unless the property "tidemark.readers" ([PropReaders]) allows more.
package catalogsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/tidemark-data/etl"
)

// Options tune a [Sink]. The zero value is ready to use.
type Options struct {
	// Logger is told of retries and of what was left for clean-up; nil discards.
	Logger *slog.Logger
	// SideLocation is where the orders of deleted keys are kept; empty is
	// ".tidemark" beside the table's location. It must be reachable through the
	// tables' own file IO, and no clean-up of tables may sweep it.
	SideLocation string
	// Attempts is how often a load is tried against concurrent writers; 0 is 10.
	Attempts int
	// Workers is how many goroutines read files of one load; 0 is 2.
	Workers int
	// TempDir is the folder for temporary files, which hold keys; empty is
	// os.TempDir().
	TempDir string
	// Now is the clock for the retention of deleted keys; nil is time.Now.
	Now func() time.Time
	// Declared says where other engines find the catalog, see [Sink.Declare]. The
	// zero value is for catalogs that only this process knows.
	Declared etl.Declaration
	// Closer is closed by [Sink.Close]; it may be nil.
	Closer io.Closer
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Attempts <= 0 {
		o.Attempts = 10
	}
	if o.Workers <= 0 {
		o.Workers = 2
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Sink holds the tables of one catalog. It is safe for concurrent use.
type Sink struct {
	cat  catalog.Catalog
	opts Options
}

var (
	_ etl.Sink    = (*Sink)(nil)
	_ etl.Fencer  = (*Sink)(nil)
	_ etl.Witness = (*Sink)(nil)

	_ etl.Declarer = (*Sink)(nil)
)

// New returns a sink for the tables of cat, which stays the caller's to close
// unless it is opts.Closer.
func New(cat catalog.Catalog, opts Options) *Sink {
	return &Sink{cat: cat, opts: opts.withDefaults()}
}

// Close closes Options.Closer.
func (s *Sink) Close() error {
	if s.opts.Closer == nil {
		return nil
	}
	return s.opts.Closer.Close()
}

// Apply implements [etl.Sink]. A table that does not exist is created from the
// target. Besides the errors of the interface it returns terminal errors where
// the table's schema differs from the target's and where the table holds what
// the sink cannot honour: equality deletes, other formats than Parquet.
func (s *Sink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if load.Kind != etl.Full && load.Kind != etl.Incremental {
		return etl.Receipt{}, terminal(fmt.Errorf("load of kind %v", load.Kind))
	}
	var last error
	unknown := 0
	var lost *work // an attempt whose files can be used again
	defer func() {
		if lost != nil {
			lost.discard()
		}
	}()
	for attempt := range s.opts.Attempts {
		if err := pause(ctx, attempt); err != nil {
			return etl.Receipt{}, errors.Join(err, last)
		}
		receipt, err := s.try(ctx, target, load, changes, &lost)
		if err == nil || !isConflict(err) {
			return receipt, err
		}
		// Attempts with an unknown outcome leave their files behind.
		if errors.Is(err, etl.ErrUnknownCommit) {
			if unknown++; unknown > 1 {
				return etl.Receipt{}, err
			}
		}
		s.opts.Logger.DebugContext(ctx, "load meets a concurrent writer", "table", target.Name, "load", load.ID, "attempt", attempt+1, "error", err)
		last = err
	}
	return etl.Receipt{}, fmt.Errorf("table %s: gave up after %d attempts: %w", target.Name, s.opts.Attempts, last)
}

// try makes one attempt. An error that isConflict means that nothing of the
// load is in the table as far as can be known, and that another attempt is safe:
// every attempt looks for the load first and asserts the head it has seen.
func (s *Sink) try(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes, lost **work) (etl.Receipt, error) {
	tbl, err := s.loadOrCreate(ctx, target)
	if err != nil {
		return etl.Receipt{}, err
	}
	past := readHistory(tbl.Metadata())
	if receipt, ok := past.find(load.ID); ok {
		*lost = nil // its files may be the ones in the table
		return receipt, nil
	}
	if err := past.admit(target.Name, load.Fence); err != nil {
		return etl.Receipt{}, err
	}
	tbl, evolved, err := remade(tbl, target)
	if err != nil {
		return etl.Receipt{}, err
	}
	w, err := newWork(ctx, s, tbl, past, target, load)
	if err != nil {
		return etl.Receipt{}, err
	}
	w.remake = evolved
	if *lost != nil && w.adopt(*lost) {
		*lost = nil
	}
	committed, err := w.run(ctx, changes)
	switch {
	case err == nil:
		snap := committed.SnapshotByName(table.MainBranch)
		if snap == nil || snap.Summary == nil {
			return etl.Receipt{}, fmt.Errorf("table %s: no snapshot after the commit: %w", target.Name, etl.ErrUnknownCommit)
		}
		return receiptOf(*snap), nil
	case isConflict(err), errors.Is(err, etl.ErrUnknownCommit):
		return s.settle(ctx, w, err, lost)
	default:
		w.discard() // no commit was asked for
		return etl.Receipt{}, err
	}
}

// settle finds out what became of a commit that was refused or whose outcome is
// not known. A refusal can be the answer to a client's own repetition of a
// request that went through, so both look for the load first, and files are
// given up only after a refusal and only if the load is not there. A request on
// its way may still go through after this look: then the next attempt loses
// against it, and finds it.
func (s *Sink) settle(ctx context.Context, w *work, cause error, lost **work) (etl.Receipt, error) {
	look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	receipt, found, err := s.Applied(look, w.target, w.load.ID)
	switch {
	case err != nil:
		return etl.Receipt{}, fmt.Errorf("%w: %w; looking for the load: %w", etl.ErrUnknownCommit, cause, err)
	case found:
		return receipt, nil
	case isConflict(cause):
		if *lost != nil {
			(*lost).discard()
		}
		*lost = w
		return etl.Receipt{}, cause
	case ctx.Err() != nil:
		return etl.Receipt{}, cause
	}
	return etl.Receipt{}, &conflictError{cause}
}

// Applied implements [etl.Sink]. It looks at the snapshots that led to the
// table's present state; loads that were rolled back are not in the table.
func (s *Sink) Applied(ctx context.Context, target etl.Target, loadID string) (etl.Receipt, bool, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return etl.Receipt{}, false, nil
	}
	if err != nil {
		return etl.Receipt{}, false, err
	}
	receipt, ok := readHistory(tbl.Metadata()).find(loadID)
	return receipt, ok, nil
}

// Fence implements [etl.Fencer]. It commits an empty snapshot that carries the
// fence: a change of properties alone would not make commits fail that are
// under way. A table that does not exist is created, or a first load under an
// older fence could still create it.
func (s *Sink) Fence(ctx context.Context, target etl.Target, fence int64) error {
	var last error
	for attempt := range s.opts.Attempts {
		if err := pause(ctx, attempt); err != nil {
			return errors.Join(err, last)
		}
		tbl, err := s.loadOrCreate(ctx, target)
		if err == nil {
			past := readHistory(tbl.Metadata())
			if past.fence >= fence {
				return nil
			}
			err = commitFence(ctx, tbl, fence)
		}
		if err == nil {
			return nil
		}
		last = err
		// An unknown outcome is looked at like a conflict: the fence is there or
		// not. A refusal can be the second answer to a commit that went through.
		if !isConflict(err) && !errors.Is(err, etl.ErrUnknownCommit) || etl.OutcomeOf(err) == etl.Terminal && attempt > 0 {
			return err
		}
	}
	return fmt.Errorf("table %s: fence: gave up after %d attempts: %w", target.Name, s.opts.Attempts, last)
}

// Standing implements [etl.Witness].
func (s *Sink) Standing(ctx context.Context, target etl.Target) (etl.Standing, error) {
	tbl, err := s.load(ctx, target.Name)
	if errors.Is(err, catalog.ErrNoSuchTable) || errors.Is(err, catalog.ErrNoSuchNamespace) {
		return etl.Standing{}, nil
	}
	if err != nil {
		return etl.Standing{}, err
	}
	st := readHistory(tbl.Metadata()).standing()
	st.Evolved = evolvedOf(tbl.Properties())
	st.Erasures = erasuresOf(tbl.Properties())
	return st, nil
}

// pause waits before an attempt, longer after each, with jitter.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	most := 10 * time.Millisecond << min(attempt, 7)
	t := time.NewTimer(time.Duration(rand.Int64N(int64(most))) + time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
