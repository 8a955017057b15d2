//go:build spark

package differential

import "testing"

// TestCheckCorpusSpark takes the corpus of checks and data through Spark.
func TestCheckCorpusSpark(t *testing.T) { playCorpus(t, onSpark, 9_000) }

// TestHeldBackSpark has checks hold loads back on Spark.
func TestHeldBackSpark(t *testing.T) {
	playHeldBack(t, onSpark, "a row", "a later check of two files", "a table of another type")
}

// TestRefusedRowsSpark has checks refuse rows that Spark sets aside.
func TestRefusedRowsSpark(t *testing.T) { playRefusedRows(t, onSpark) }

// TestChecksSpark plays histories of tables with checks on Spark.
func TestChecksSpark(t *testing.T) { playChecked(t, (*seeds+3)/4, onSpark) }
