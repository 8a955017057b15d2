//go:build spark

package tests

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSettle runs the test of the fold, which needs no Spark.
func TestSettle(t *testing.T) {
	out, err := exec.Command("../../../interop/.cache/venv/bin/python", "-B", "settle_test.py").CombinedOutput()
	require.NoError(t, err, string(out))
}
