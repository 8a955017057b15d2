//go:build spark

package differential

import "testing"

// TestLookupsSpark looks rows up in another table on Spark.
func TestLookupsSpark(t *testing.T) { playLookups(t, onSpark) }
