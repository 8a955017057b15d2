//go:build spark

package tests

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSettle runs the tests of the folds, which need no Spark.
func TestSettle(t *testing.T) {
	for _, script := range []string{"settle_test.py", "softdelete_test.py", "shapes_test.py", "badrows_test.py"} {
		out, err := exec.Command("../../../interop/.cache/venv/bin/python", "-B", script).CombinedOutput()
		require.NoError(t, err, string(out))
	}
}
