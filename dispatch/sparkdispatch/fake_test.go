package sparkdispatch_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch/sparkdispatch"
)

// script stands in for spark-submit. What it does is in FAKE; it leaves its
// arguments beside the result.
const script = `#!/bin/sh
for a; do manifest=$result; result=$a; done
dir=$(dirname "$result"); id=$(basename "$dir")
for a; do echo "$a"; done >"$dir/arguments"
[ -f "$manifest" ] || exit 9
succeed() { printf '{"job_id":"%s","receipt":{"load_id":"%s","snapshot":"7","counts":{"read":3,"inserted":3}}}' "$id" "$load" >"$result"; }
what=$FAKE
[ "$what" = suite ] && what=${id%%-*}
load=$(sed -n 's/.*"load":{"id":"\([^"]*\)".*/\1/p' "$manifest")
case "$what" in
ok) succeed ;;
slow) sleep 0.4; succeed ;;
fail) printf '{"job_id":"%s","failure":{"cause":"row 2 of a.csv: column n: not an int","file":"a.csv","row":2,"column":"n","rule":"not an int","outcome":"terminal"}}' "$id" >"$result"; exit 1 ;;
dies) echo "Caused by: java.lang.OutOfMemoryError: secret"; exit 52 ;;
foreign) printf '{"job_id":"another","receipt":{"load_id":"l1"}}' >"$result" ;;
hang) sleep 60 ;;
stubborn) trap '' TERM; sleep 60 & wait; wait; wait ;;
log) echo "from fd: $TOKEN" ; succeed ;;
esac
`

// fake returns a Config whose spark-submit does as told.
func fake(t *testing.T, what string) sparkdispatch.Config {
	dir := t.TempDir()
	command := filepath.Join(dir, "spark-submit")
	require.NoError(t, os.WriteFile(command, []byte(script), 0o700))
	return sparkdispatch.Config{
		Folder: filepath.Join(dir, "jobs"), Command: command, Env: []string{"FAKE=" + what}, Grace: 200 * time.Millisecond,
	}
}

func open(t *testing.T, cfg sparkdispatch.Config) *sparkdispatch.Dispatcher {
	d, err := sparkdispatch.New(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { // processes that end leave a last file
		require.Eventually(t, func() bool { return os.RemoveAll(cfg.Folder) == nil }, 5*time.Second, 50*time.Millisecond)
	})
	return d
}

// declared is a format with a declared form.
type declared struct{ etl.Format }

func (declared) Declare() (etl.Declaration, error) { return etl.Declaration{Kind: "csv"}, nil }
func (declared) Partial(etl.LoadKind) bool         { return false }

func job(id string) etl.Job {
	file := etl.File{Location: "a.csv", Size: 3}
	return etl.Job{
		ID:    id,
		Table: etl.Table{Name: "a.b", Key: []string{"id"}, Format: declared{}},
		Load:  etl.Load{ID: "l1", Table: "a.b", Kind: etl.Full, Files: []etl.File{file}},
		URIs:  []string{"/landing/a.csv"}, Sink: etl.Declaration{Kind: "iceberg"},
	}
}

// wait polls until the job has ended.
func wait(t *testing.T, d *sparkdispatch.Dispatcher, ref etl.JobRef) etl.JobStatus {
	var s etl.JobStatus
	require.Eventually(t, func() bool {
		var err error
		s, err = d.Status(t.Context(), ref)
		require.NoError(t, err)
		return s.Phase.Ended()
	}, 10*time.Second, 10*time.Millisecond)
	return s
}
