package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/lock/sqlitelock"
)

// lock takes the lock of a table, as another process would.
func (b *bench) lock(table string) (release func()) {
	b.t.Helper()
	store, err := sqlitecontrol.Open(filepath.Join(b.dir, "control.db"))
	require.NoError(b.t, err)
	lease, err := sqlitelock.New(store.DB()).Acquire(context.Background(), table, time.Minute)
	require.NoError(b.t, err)
	return func() {
		require.NoError(b.t, lease.Release(context.Background()))
		require.NoError(b.t, store.Close())
	}
}
