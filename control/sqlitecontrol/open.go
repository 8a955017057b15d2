package sqlitecontrol

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite" // the driver, by the name of "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidemark-data/etl"
)

// busyStep is how long SQLite itself waits for a lock, deaf to the context;
// busyWait is how long such steps are repeated.
const (
	busyStep = time.Second
	busyWait = 15 * time.Second
)

// OpenDB opens the SQLite file at path with the settings that the control store
// relies on, and makes the file and its folder if they are missing. It does not
// look at what is in the file. Writes are durable when they return (WAL with
// synchronous=FULL), transactions are BEGIN IMMEDIATE.
func OpenDB(path string) (*sql.DB, error) {
	db, err := connect(path)
	if err != nil {
		return nil, err
	}
	if err := useWAL(context.Background(), db); err != nil {
		db.Close()
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	return db, nil
}

func connect(path string) (*sql.DB, error) {
	name, err := dsn(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", path, err)
	}
	db.SetMaxOpenConns(8)
	return db, nil
}

// dsn returns the URI of the file, see sqlite.org/uri.html. It is always
// absolute, so that a name such as ":memory:" is just a name.
func dsn(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", errors.New("the path of a SQLite file must not be empty nor hold a NUL")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	slashed := filepath.ToSlash(abs)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a drive letter
	}
	q := url.Values{
		"_txlock": {"immediate"},
		"_pragma": {
			fmt.Sprintf("busy_timeout(%d)", busyStep.Milliseconds()),
			"synchronous(FULL)",
			"fullfsync(1)", // macOS: past the drive's cache
		},
	}
	return "file://" + (&url.URL{Path: slashed}).EscapedPath() + "?" + q.Encode(), nil
}

// useWAL switches the file to write-ahead logging. The switch needs the file for
// itself and does not wait, so it is repeated while others open the file too.
func useWAL(ctx context.Context, db *sql.DB) error {
	var mode string
	err := whileBusy(ctx, func() error {
		return db.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode)
	})
	if err != nil {
		return fmt.Errorf("journal_mode=WAL: %w", err)
	}
	if mode != "wal" {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("journal mode is %q: the file's folder does not support WAL", mode))
	}
	return nil
}

// whileBusy repeats f while the file is locked by others, up to busyWait.
func whileBusy(ctx context.Context, f func() error) error {
	for start, pause := time.Now(), time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := f()
		if !busy(err) || time.Since(start) > busyWait {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func code(err error) int {
	var se *sqlite.Error
	if errors.As(err, &se) {
		return se.Code() & 0xff // without the extension
	}
	return 0
}

func busy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// declare gives an error of SQLite its outcome. Where the context has ended
// that is the cause, whatever SQLite makes of it.
func declare(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return etl.WithOutcome(etl.Retry, err)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_ERROR:
		return etl.WithOutcome(etl.Terminal, err)
	}
	return err
}
