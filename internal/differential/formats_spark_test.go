//go:build spark

package differential

import "testing"

// TestFormatsSpark plays histories of tables in other formats than CSV on Spark.
func TestFormatsSpark(t *testing.T) { playFormats(t, (*seeds+1)/2, onSpark) }
