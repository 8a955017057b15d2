package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/quarantine"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// ErrNoSource says that the source folder is not there.
var ErrNoSource = errors.New("source is not a folder")

// Open opens the stores that c names, creating what is not there but the source
// folder: without it ErrNoSource is returned. Call closing after use.
func (c *Config) Open(ctx context.Context, logger *slog.Logger) (cfg etl.Config, closing func() error, err error) {
	if info, err := os.Stat(c.Source); err != nil {
		return cfg, nil, fmt.Errorf("%w: %w", ErrNoSource, err)
	} else if !info.IsDir() {
		return cfg, nil, fmt.Errorf("%w: %s", ErrNoSource, c.Source)
	}
	control, err := sqlitecontrol.Open(c.State)
	if err != nil {
		return cfg, nil, fmt.Errorf("state: %w", err)
	}
	lake, err := icebergsink.Open(ctx, icebergsink.Config{Warehouse: c.Warehouse, Catalog: c.Catalog, Logger: logger})
	if err != nil {
		return cfg, nil, errors.Join(err, control.Close())
	}
	if c.lake != nil {
		c.lake.sink = lake
	}
	var bad etl.Quarantine
	if c.Quarantine != "" {
		if bad, err = quarantine.Dir(c.Quarantine); err != nil {
			return cfg, nil, errors.Join(err, lake.Close(), control.Close())
		}
	}
	skipped := func(location string, err error) {
		if logger != nil {
			logger.Warn("file left out of the listing", "file", location, "error", err)
		}
	}
	cfg = etl.Config{
		Source:       source.Dir(c.Source, source.MinAge(c.MinAge), source.OnProblem(skipped)),
		Control:      control,
		Locker:       sqlitelock.New(control.DB()),
		Sink:         lake,
		Quarantine:   bad,
		Layout:       c.Layout,
		Tables:       c.Tables,
		Parallel:     c.Parallel,
		MemoryBudget: c.MemoryBudget, TempDir: c.TempDir,
		LeaseTTL: c.Lease,
		Retry:    c.Retry,
		Logger:   logger,
	}
	if err := c.dispatch(&cfg); err != nil {
		return cfg, nil, errors.Join(err, lake.Close(), control.Close())
	}
	return cfg, func() error { return errors.Join(lake.Close(), control.Close()) }, nil
}
