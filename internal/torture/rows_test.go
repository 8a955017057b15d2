package torture

import (
	"testing"

	"github.com/tidemark-data/etl"
)

// TestRandomAppends plays histories of tables without keys: plain ones, staged ones,
// and ones whose changes are in files of several tables, in turns.
func TestRandomAppends(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, (*seeds+1)/2, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.rows, s.mode.staged, s.mode.transactions = etl.ModeAppend, turn%3 == 1, turn%3 == 2
		turn++
		return s
	})
}

// TestRandomSoftDeletes plays histories of tables that mark deleted rows: with nothing
// that fits into memory, with full loads as differences, and staged, in turns.
func TestRandomSoftDeletes(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, *seeds, func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.rows, s.mode.tiny = etl.ModeSoftDelete, turn%2 == 1
		s.mode.difference, s.mode.staged = turn%6 == 2 || turn%6 == 3, turn%6 == 4
		turn++
		return s
	})
}

// TestRandomSoftDeletesBadRows plays them with bad rows in the files.
func TestRandomSoftDeletesBadRows(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, (*seeds+1)/2, planting(func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.rows, s.mode.tiny = etl.ModeSoftDelete, turn%2 == 1
		turn++
		return s
	}))
}

// TestRandomAppendsBadRows plays tables without keys with bad rows in their files:
// plain ones, staged ones, and ones whose changes are in files of several tables.
func TestRandomAppendsBadRows(t *testing.T) {
	t.Parallel()
	turn := 0
	playAll(t, 0, (*seeds+3)/4, planting(func(t *testing.T) stores {
		s := memoryStores(t)
		s.mode.rows, s.mode.staged, s.mode.transactions = etl.ModeAppend, turn%3 == 1, turn%3 == 2
		turn++
		return s
	}))
}
