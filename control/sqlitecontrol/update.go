package sqlitecontrol

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

const insertFile = `INSERT INTO files (id, tbl, kind, status, order_key, location, body)
	VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) `

// Update implements [etl.ControlStore]. Inserts go before puts; a put of a
// record that does not exist makes it.
func (s *Store) Update(ctx context.Context, u etl.Update) error {
	e, err := encode(u)
	if err != nil {
		return fmt.Errorf("sqlitecontrol: table %q: %w", u.State.Table, etl.WithOutcome(etl.Terminal, err))
	}
	err = s.write(ctx, func(tx *sql.Tx) error { return e.apply(ctx, tx) })
	if err != nil {
		return fmt.Errorf("sqlitecontrol: table %q: %w", u.State.Table, err)
	}
	return nil
}

// encoded is an update made ready before the write lock is taken.
type encoded struct {
	etl.Update
	insert, put [][]any
	entries     [][]byte
}

func encode(u etl.Update) (e encoded, err error) {
	e = encoded{Update: u, entries: make([][]byte, len(u.Entries))}
	if e.insert, err = rows(u.Insert); err != nil {
		return e, err
	}
	if e.put, err = rows(u.Put); err != nil {
		return e, err
	}
	for i := range u.Entries {
		if e.entries[i], err = body.Marshal(u.Entries[i]); err != nil {
			return e, fmt.Errorf("entry %d of the history: %w", i, err)
		}
	}
	return e, nil
}

func rows(recs []etl.FileRecord) ([][]any, error) {
	out := make([][]any, len(recs))
	for i, r := range recs {
		data, err := body.Marshal(r)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", r.Location, err)
		}
		out[i] = []any{r.ID(), r.Table, r.Kind.String(), string(r.Status), blob(r.Order), blob(r.Location), data}
	}
	return out, nil
}

// blob is never nil, which would be NULL.
func blob(s string) []byte { return append([]byte{}, s...) }

func (e encoded) apply(ctx context.Context, tx *sql.Tx) error {
	if err := e.swapState(ctx, tx); err != nil {
		return err
	}
	if err := e.insertFiles(ctx, tx); err != nil {
		return err
	}
	const put = insertFile + `DO UPDATE SET tbl = excluded.tbl, kind = excluded.kind, status = excluded.status,
		order_key = excluded.order_key, location = excluded.location, body = excluded.body`
	err := execAll(ctx, tx, put, e.put, nil)
	if err != nil {
		return err
	}
	entries := make([][]any, len(e.entries))
	for i, data := range e.entries {
		entries[i] = []any{e.State.Table, data}
	}
	return execAll(ctx, tx, `INSERT INTO history (tbl, body) VALUES (?, ?)`, entries, nil)
}

// swapState checks fence and version and stores the new state. A stale fence
// goes before a conflict, because trying again does not help.
func (e encoded) swapState(ctx context.Context, tx *sql.Tx) error {
	var version, fence int64
	err := tx.QueryRowContext(ctx, `SELECT version, fence FROM state WHERE tbl = ?`, e.State.Table).Scan(&version, &fence)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return declare(ctx, err)
	}
	if e.Fence != 0 && e.Fence < fence {
		return fmt.Errorf("fence %d, recorded is %d: %w", e.Fence, fence, etl.ErrStaleFence)
	}
	if e.State.Version != version {
		return fmt.Errorf("version %d, recorded is %d: %w", e.State.Version, version, etl.ErrConflict)
	}
	st := e.State
	st.Version++
	st.Fence = max(fence, st.Fence, e.Fence)
	data, err := body.Marshal(st)
	if err != nil {
		return etl.WithOutcome(etl.Terminal, err)
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO state (tbl, version, fence, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (tbl) DO UPDATE SET version = excluded.version, fence = excluded.fence, body = excluded.body`,
		st.Table, st.Version, st.Fence, data)
	return declare(ctx, err)
}

func (e encoded) insertFiles(ctx context.Context, tx *sql.Tx) error {
	return execAll(ctx, tx, insertFile+`DO NOTHING`, e.insert, func(i int, changed int64) error {
		if changed == 0 {
			return fmt.Errorf("file %q is recorded already: %w", e.Insert[i].Location, etl.ErrConflict)
		}
		return nil
	})
}

// execAll runs a statement for each row of arguments; check, if not nil, sees
// how many rows it changed.
func execAll(ctx context.Context, tx *sql.Tx, query string, args [][]any, check func(i int, changed int64) error) error {
	if len(args) == 0 {
		return nil
	}
	stmt, err := tx.PrepareContext(ctx, query)
	if err != nil {
		return declare(ctx, err)
	}
	defer stmt.Close()
	for i := range args {
		res, err := stmt.ExecContext(ctx, args[i]...)
		if err != nil {
			return declare(ctx, err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if check != nil {
			if err := check(i, n); err != nil {
				return err
			}
		}
	}
	return nil
}
