// Package icebergsink keeps Iceberg tables in a local folder, with a SQLite
// file as their catalog. Other Iceberg libraries read both: the catalog is
// the SQL catalog of the Iceberg project, under the name "tidemark".
//
// The sink itself, for any catalog, is package catalogsink.
package icebergsink

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink/catalogsink"
)

// CatalogName is the name of the catalog inside its SQLite file.
const CatalogName = "tidemark"

// Sink is the sink of package catalogsink.
type Sink = catalogsink.Sink

// Options are those of package catalogsink.
type Options = catalogsink.Options

// New returns a sink for the tables of any catalog of iceberg-go.
func New(cat catalog.Catalog, opts Options) *Sink { return catalogsink.New(cat, opts) }

// Config says where the tables are.
type Config struct {
	// Warehouse is the folder of the tables: a path or a file:// URL. It is
	// created where it does not exist.
	Warehouse string
	// Catalog is the path of the catalog's SQLite file; empty is catalog.db in
	// the warehouse. Several processes may share it.
	Catalog string
	// Logger is told of retries and of what was left for clean-up; nil discards.
	Logger *slog.Logger
	// Attempts is how often a load is tried against concurrent writers; 0 is 10.
	Attempts int
	// Workers is how many goroutines read files of one load; 0 is 2.
	Workers int
}

// Open opens the catalog, creating what is not there. Close the sink after use.
func Open(ctx context.Context, cfg Config) (*Sink, error) {
	folder, err := localFolder(cfg.Warehouse)
	if err != nil {
		return nil, err
	}
	warehouse, err := location(folder)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, fmt.Errorf("warehouse: %w", err)
	}
	if cfg.Catalog == "" {
		cfg.Catalog = filepath.Join(folder, "catalog.db")
	}
	db, err := openSQLite(ctx, cfg.Catalog)
	if err != nil {
		return nil, err
	}
	cat, err := sqlcat.NewCatalog(CatalogName, db, sqlcat.SQLite, iceberg.Properties{"warehouse": warehouse})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("catalog %s: %w", cfg.Catalog, err), db.Close())
	}
	return catalogsink.New(cat, Options{
		Logger: cfg.Logger, Attempts: cfg.Attempts, Workers: cfg.Workers,
		SideLocation: warehouse + "/.tidemark", Closer: closer{cat, db},
		Declared: declared(cfg.Catalog, warehouse),
	}), nil
}

// declared says where other engines on this machine find the tables.
func declared(file, warehouse string) etl.Declaration {
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	return etl.Declaration{Kind: "iceberg", Options: map[string]any{
		"catalog": CatalogName, "type": "jdbc", "uri": "jdbc:sqlite:" + filepath.ToSlash(file), "warehouse": warehouse,
		"side": warehouse + "/.tidemark", "properties": map[string]string{"jdbc.busy_timeout": "10000"},
	}}
}

// closer closes the catalog, then its database, which the catalog leaves open.
type closer struct {
	cat *sqlcat.Catalog
	db  *sql.DB
}

func (c closer) Close() error { return errors.Join(c.cat.Close(), c.db.Close()) }

// location is how the tables' metadata names the folder: by its bare path, which
// all readers take as it is. iceberg-go alone would undo the percent signs of a
// file:// URL, and partition values are escaped with those. A path that needs
// escapes itself is refused: iceberg-go writes it escaped into the metadata, and
// none of PyIceberg, DuckDB, Spark and ClickHouse finds the files then
// (2026-11-21).
func location(folder string) (string, error) {
	path := filepath.ToSlash(folder)
	if u := (&url.URL{Path: path}).String(); u != path {
		return "", fmt.Errorf("warehouse %s: readers of Iceberg tables find no files in a folder whose path has spaces, %% or letters beyond ASCII: choose another", folder)
	}
	return path, nil
}

func localFolder(warehouse string) (string, error) {
	if warehouse == "" {
		return "", errors.New("warehouse: no folder given")
	}
	if strings.HasPrefix(strings.ToLower(warehouse), "file:") {
		u, err := url.Parse(warehouse)
		if err != nil || u.Host != "" && u.Host != "localhost" || u.Path == "" {
			return "", errors.New("warehouse: not a file:// URL of this machine")
		}
		warehouse = filepath.FromSlash(u.Path)
	} else if strings.Contains(warehouse, "://") {
		return "", errors.New("warehouse: only local folders and file:// URLs can be opened")
	}
	folder, err := filepath.Abs(warehouse)
	if err != nil {
		return "", fmt.Errorf("warehouse: %w", err)
	}
	return folder, nil
}

// openSQLite opens the file for several processes: readers do not block the
// writer, writers wait for each other, and a transaction that will write takes
// the lock at its start instead of failing in its middle.
func openSQLite(ctx context.Context, path string) (*sql.DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	q := url.Values{"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"}, "_txlock": {"immediate"}}
	dsn := (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: q.Encode()}).String()
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("catalog %s: %w", path, err)
	}
	db.SetMaxOpenConns(4)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("catalog %s: %w", path, err), db.Close())
	}
	return db, nil
}
