package sqlitecontrol

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tidemark-data/etl"
)

// applicationID marks the files of control stores ("Tdmk" in ASCII), see
// sqlite.org/pragma.html#pragma_application_id.
const applicationID = 0x54646d6b

// migrations[i] takes a file from schema version i, as PRAGMA user_version
// keeps it, to i+1. Order and location are blobs, so that they compare as bytes
// and hold any.
var migrations = [...]string{`
CREATE TABLE state (
	tbl     TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	fence   INTEGER NOT NULL,
	body    BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE files (
	id        TEXT NOT NULL PRIMARY KEY,
	tbl       TEXT NOT NULL,
	kind      TEXT NOT NULL,
	status    TEXT NOT NULL,
	order_key BLOB NOT NULL,
	location  BLOB NOT NULL,
	body      BLOB NOT NULL
);
CREATE INDEX files_by_status ON files (tbl, status, order_key, location, id);
CREATE INDEX files_by_order ON files (tbl, order_key, location, id);
CREATE TABLE history (
	seq  INTEGER PRIMARY KEY AUTOINCREMENT,
	tbl  TEXT NOT NULL,
	body BLOB NOT NULL
);
CREATE INDEX history_by_table ON history (tbl, seq);
`}

// prepare makes sure that the file is ours and brings it to the newest schema.
// It does not touch a file that is not.
func prepare(ctx context.Context, db *sql.DB) error {
	if err := whileBusy(ctx, func() error { _, err := version(ctx, db); return err }); err != nil {
		return err
	}
	if err := useWAL(ctx, db); err != nil {
		return err
	}
	return whileBusy(ctx, func() error { return migrate(ctx, db) })
}

func migrate(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	v, err := version(ctx, tx) // again, now that nobody else can change it
	if err != nil || v == len(migrations) {
		return err
	}
	for _, m := range migrations[v:] {
		if _, err := tx.ExecContext(ctx, m); err != nil {
			return err
		}
	}
	stamp := fmt.Sprintf("PRAGMA user_version=%d; PRAGMA application_id=%d", len(migrations), applicationID)
	if _, err := tx.ExecContext(ctx, stamp); err != nil {
		return err
	}
	return tx.Commit()
}

type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// version returns the schema version of the file; 0 for one that holds nothing
// yet, or nothing but other tables of this project, as that of the locker.
func version(ctx context.Context, q queryer) (int, error) {
	var app, v, others int
	err := q.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'tidemark\_%' ESCAPE '\'
			AND name NOT LIKE 'sqlite\_%' ESCAPE '\')`).Scan(&app, &v, &others)
	switch {
	case err != nil:
		return 0, err
	case app != applicationID && (app != 0 || v != 0 || others != 0):
		return 0, etl.WithOutcome(etl.Terminal, fmt.Errorf("not a control store: a SQLite file of another application"))
	case v > len(migrations):
		return 0, etl.WithOutcome(etl.Terminal, fmt.Errorf("the control store has schema version %d, this build knows %d: upgrade", v, len(migrations)))
	case v < 0:
		return 0, etl.WithOutcome(etl.Terminal, fmt.Errorf("the control store has schema version %d", v))
	}
	return v, nil
}
