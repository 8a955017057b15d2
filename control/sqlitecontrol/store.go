// Package sqlitecontrol keeps the control store in a SQLite file. Any number of
// processes of one machine may open the same file; it must not lie on a network
// file system, where SQLite's locks do not hold (sqlite.org/wal.html).
package sqlitecontrol

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

var _ etl.ControlStore = (*Store)(nil)

// Store is a control store in a SQLite file. It is safe for concurrent use, and
// between processes. What Update has returned nil for survives a power cut.
// Times come back in UTC with their nanoseconds; years outside 0 to 9999 are
// refused.
type Store struct {
	db     *sql.DB
	writer chan struct{} // queues this process's writers, which SQLite would have poll
}

// Open opens the control store in the file at path, and makes the file and its
// folder if they are missing. It refuses files of other applications, and those
// that a newer release has written, without changing them.
func Open(path string) (*Store, error) {
	db, err := connect(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitecontrol: %w", err)
	}
	ctx := context.Background()
	if err := prepare(ctx, db); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlitecontrol: %q: %w", path, declare(ctx, err))
	}
	return &Store{db: db, writer: make(chan struct{}, 1)}, nil
}

// Close closes the file. Calls after it fail.
func (s *Store) Close() error { return s.db.Close() }

// DB returns the database, in which a locker may keep its leases. It is closed
// by Close.
func (s *Store) DB() *sql.DB { return s.db }

// State implements [etl.ControlStore].
func (s *Store) State(ctx context.Context, table string) (etl.State, error) {
	var data []byte
	err := s.db.QueryRowContext(ctx, `SELECT body FROM state WHERE tbl = ?`, table).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return etl.State{Table: table}, nil
	}
	if err != nil {
		return etl.State{}, fmt.Errorf("sqlitecontrol: state of %q: %w", table, declare(ctx, err))
	}
	st, err := body.Unmarshal[etl.State](data)
	if err != nil {
		return etl.State{}, corrupt("state of", table)
	}
	return st, nil
}

// corrupt does not tell the cause, which would quote the body.
func corrupt(what, name string) error {
	return etl.WithOutcome(etl.Terminal, fmt.Errorf("sqlitecontrol: %s %q: body is damaged", what, name))
}

// write runs f in a transaction that holds the file's write lock from the start.
func (s *Store) write(ctx context.Context, f func(*sql.Tx) error) error {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	var tx *sql.Tx
	err := whileBusy(ctx, func() (err error) {
		tx, err = s.db.BeginTx(ctx, nil)
		return err
	})
	if err != nil {
		return declare(ctx, err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return commitError(ctx, tx.Commit())
}

// commitError tells commits that did not begin from those that broke off: the
// log may hold the latter, and recovery after a crash would bring them back.
func commitError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case code(err) == 0 && ctx.Err() != nil: // database/sql did not try
		return ctx.Err()
	case busy(err):
		return etl.WithOutcome(etl.Retry, err)
	}
	return fmt.Errorf("%w: %w", etl.ErrUnknownCommit, err)
}
