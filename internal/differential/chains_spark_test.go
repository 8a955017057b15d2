//go:build spark

package differential

import "testing"

// TestChainsSpark plays histories of tables with random transforms on Spark.
func TestChainsSpark(t *testing.T) { playChains(t, *seeds, onSpark) }
