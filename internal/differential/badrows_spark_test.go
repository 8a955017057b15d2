//go:build spark

package differential

import (
	"testing"

	etl "github.com/tidemark-data/etl"
)

// TestBadRowsSpark plays histories with bad rows on Spark.
func TestBadRowsSpark(t *testing.T) { playBadRows(t, (*seeds+4)/5, onSpark) }

// TestBadFileSpark takes files with every kind of bad value through Spark.
func TestBadFileSpark(t *testing.T) {
	for name, bad := range badFiles(t) {
		t.Run(name, func(t *testing.T) { playBadFile(t, bad, onSpark) })
	}
	t.Run("full load", func(t *testing.T) { playMendedFull(t, onSpark) })
	bad := badFiles(t)["csv"]
	playBadFileOverBudget(t, bad, onSpark, etl.ErrorBudget{Rows: 2}, etl.ErrorBudget{Rows: int64(bad.bad) - 1})
}
