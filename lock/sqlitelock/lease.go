package sqlitelock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidemark-data/etl"
)

var _ etl.Lease = (*lease)(nil)

type lease struct {
	l     *Locker
	name  string
	ttl   time.Duration
	token string
	fence int64
}

// expires is in microseconds, of which the smallest ttl is one.
func (le *lease) expires(now time.Time) int64 { return now.Add(le.ttl).UnixMicro() + 1 }

// clockStep is how far in the future a lease may have been renewed before that
// counts as a clock that was set back.
const clockStep = time.Minute

// take makes the row ours if nobody has it or its time is over; else it returns
// locked, and what it wrote is to be committed all the same.
func (le *lease) take(ctx context.Context, tx *sql.Tx) (locked, err error) {
	// After a clock was set back, leases would run for as long as it was ahead.
	now := le.l.now()
	_, err = tx.ExecContext(ctx, `UPDATE tidemark_leases SET expires = ?1 + ttl WHERE name = ?2 AND expires > ?1 + ttl + ?3`,
		now.UnixMicro(), le.name, clockStep.Microseconds())
	if err != nil {
		return nil, err
	}
	err = tx.QueryRowContext(ctx, `INSERT INTO tidemark_leases AS l (name, fence, holder, expires, ttl) VALUES (?, 1, ?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET
			fence = l.fence + 1, holder = excluded.holder, expires = excluded.expires, ttl = excluded.ttl
			WHERE l.holder = '' OR l.expires <= ?
		RETURNING fence`, le.name, le.token, le.expires(now), le.ttl.Microseconds()+1, now.UnixMicro()).Scan(&le.fence)
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	var holder string
	var until int64
	err = tx.QueryRowContext(ctx, `SELECT holder, expires FROM tidemark_leases WHERE name = ?`, le.name).Scan(&holder, &until)
	if err != nil {
		return nil, err
	}
	return fmt.Errorf("%s has it until %s: %w", holder, time.UnixMicro(until).UTC().Format(time.RFC3339), etl.ErrLocked), nil
}

// Fence implements [etl.Lease].
func (le *lease) Fence() int64 { return le.fence }

// Renew implements [etl.Lease]. A lease that expired but that nobody took is
// renewed; one that was released is not.
func (le *lease) Renew(ctx context.Context) error {
	var n int64
	err := le.l.exec(ctx, `UPDATE tidemark_leases SET expires = ? WHERE name = ? AND holder = ?`, &n,
		le.expires(le.l.now()), le.name, le.token)
	if err == nil && n == 0 {
		err = fmt.Errorf("lease with fence %d is lost or released: %w", le.fence, etl.ErrStaleFence)
	}
	if err != nil {
		return fmt.Errorf("sqlitelock: %q: %w", le.name, err)
	}
	return nil
}

// Release implements [etl.Lease].
func (le *lease) Release(ctx context.Context) error {
	err := le.l.exec(ctx, `UPDATE tidemark_leases SET holder = '', expires = 0 WHERE name = ? AND holder = ?`, nil, le.name, le.token)
	if err != nil {
		return fmt.Errorf("sqlitelock: %q: %w", le.name, err)
	}
	return nil
}
