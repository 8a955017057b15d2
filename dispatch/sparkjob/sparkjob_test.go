package sparkjob

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os/exec"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestArchive(t *testing.T) {
	one, err := Archive()
	require.NoError(t, err)
	two, err := Archive()
	require.NoError(t, err)
	require.Equal(t, one, two)
	r, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	require.NoError(t, err)
	names := []string{}
	for _, f := range r.File {
		names = append(names, f.Name)
	}
	require.Contains(t, names, "tidemark_spark/__init__.py")
	require.IsIncreasing(t, names)
}

// The same files give the same bytes, whatever their times and modes.
func TestArchiveIsDeterministic(t *testing.T) {
	tree := func(at time.Time, mode fs.FileMode) fstest.MapFS {
		return fstest.MapFS{"p/b.py": {Data: []byte("b"), ModTime: at}, "p/a.py": {Data: []byte("a"), ModTime: at, Mode: mode}}
	}
	one, err := archive(tree(time.Now(), 0o600))
	require.NoError(t, err)
	two, err := archive(tree(time.Unix(0, 0), 0o644))
	require.NoError(t, err)
	require.Equal(t, one, two)
	other, err := archive(fstest.MapFS{"p/b.py": {Data: []byte("b")}, "p/a.py": {Data: []byte("A")}})
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

// TestLauncher has Python look at the arguments of several engines.
func TestLauncher(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	for want, args := range map[string][]string{
		"m r\n":   {"m", "r"},
		"m2 r2\n": {"--JOB_NAME", "x", "--manifest", "m2", "--result", "r2", "--enable-metrics"},
		"m3 r3\n": {"--result=r3", "--manifest=m3"},
	} {
		script := "import sys; exec(open('launcher.py').read().split('if __name__')[0]); print(*uris(sys.argv[1:]))"
		out, err := exec.Command(python, append([]string{"-c", script}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, want, string(out))
	}
	out, err := exec.Command(python, "launcher.py", "--manifest").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "usage")
}
