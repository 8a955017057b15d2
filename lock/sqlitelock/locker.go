// Package sqlitelock keeps leases in a SQLite database, for the processes of
// one machine. It may be the database of the control store.
package sqlitelock

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
)

var (
	_ etl.Locker      = (*Locker)(nil)
	_ etl.FenceRaiser = (*Locker)(nil)
)

// Rows are never deleted: the fence has to outlive the lease. holder is the
// token of the lease that runs, empty after its release; expires is in
// microseconds since 1970, ttl in microseconds.
const schema = `CREATE TABLE IF NOT EXISTS tidemark_leases (
	name    TEXT NOT NULL PRIMARY KEY,
	fence   INTEGER NOT NULL,
	holder  TEXT NOT NULL,
	expires INTEGER NOT NULL,
	ttl     INTEGER NOT NULL
) WITHOUT ROWID`

// Locker hands out leases that are rows of a table. It is safe for concurrent
// use, and between processes. Leases expire by the machine's clock; when that
// jumps, a lease may end early or late, but two never have the same fence.
type Locker struct {
	// Now is the clock; nil is [time.Now]. It must not be changed once the
	// locker is in use.
	Now func() time.Time

	db    *sql.DB
	owned bool
	ready atomic.Bool // the table is there
}

// New returns a locker in db, which stays the caller's to close. The locker
// makes its table when it is first used. Of the connection it wants a
// busy_timeout; that of the control store has one.
func New(db *sql.DB) *Locker { return &Locker{db: db} }

// Open returns a locker in the SQLite file at path, and makes the file and its
// folder if they are missing.
func Open(path string) (*Locker, error) {
	db, err := sqlitecontrol.OpenDB(path)
	if err != nil {
		return nil, fmt.Errorf("sqlitelock: %w", err)
	}
	return &Locker{db: db, owned: true}, nil
}

// Close closes the file if Open opened it.
func (l *Locker) Close() error {
	if l.owned {
		return l.db.Close()
	}
	return nil
}

func (l *Locker) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

// Acquire implements [etl.Locker].
func (l *Locker) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	if ttl <= 0 {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("sqlitelock: %q: time to live %v is not positive", name, ttl))
	}
	le := &lease{l: l, name: name, ttl: ttl, token: newToken()}
	var locked error
	err := l.write(ctx, func(tx *sql.Tx) (err error) {
		locked, err = le.take(ctx, tx)
		return err
	})
	if err == nil {
		err = locked
	}
	if err != nil {
		return nil, fmt.Errorf("sqlitelock: %q: %w", name, err)
	}
	return le, nil
}

// newToken tells one lease from all others, and people where it is held.
func newToken() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s:%d:%s", host, os.Getpid(), rand.Text())
}

// RaiseFence implements [etl.FenceRaiser]. A lease that runs is not disturbed.
func (l *Locker) RaiseFence(ctx context.Context, name string, fence int64) error {
	var err error
	if fence == math.MaxInt64 {
		err = etl.WithOutcome(etl.Terminal, fmt.Errorf("no fence is greater than %d", fence))
	} else {
		err = l.exec(ctx, `INSERT INTO tidemark_leases (name, fence, holder, expires, ttl) VALUES (?, max(?, 0), '', 0, 0)
			ON CONFLICT (name) DO UPDATE SET fence = max(fence, excluded.fence)`, nil, name, fence)
	}
	if err != nil {
		return fmt.Errorf("sqlitelock: %q: %w", name, err)
	}
	return nil
}

// exec runs one statement; changed, if not nil, gets the number of rows.
func (l *Locker) exec(ctx context.Context, query string, changed *int64, args ...any) error {
	return l.write(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, query, args...)
		if err == nil && changed != nil {
			*changed, err = res.RowsAffected()
		}
		return err
	})
}

// write runs f, whose first statement is a write, in a transaction. While others
// hold the file it tries again, a few times the connection's busy_timeout.
func (l *Locker) write(ctx context.Context, f func(*sql.Tx) error) error {
	var err error
	for range 10 {
		if err = l.try(ctx, f); !busy(err) || ctx.Err() != nil {
			break
		}
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case busy(err):
		return etl.WithOutcome(etl.Retry, err)
	}
	return err
}

func (l *Locker) try(ctx context.Context, f func(*sql.Tx) error) error {
	if !l.ready.Load() {
		if _, err := l.db.ExecContext(ctx, schema); err != nil {
			return err
		}
		l.ready.Store(true)
	}
	tx, err := l.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

func busy(err error) bool {
	var se *sqlite.Error
	if !errors.As(err, &se) {
		return false
	}
	code := se.Code() & 0xff
	return code == sqlite3.SQLITE_BUSY || code == sqlite3.SQLITE_LOCKED
}
