//go:build spark

package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// driver is one Spark for all tests of the package; it does one job at a time.
type driver struct {
	mu      sync.Mutex
	in      io.WriteCloser
	answers *bufio.Scanner
	cmd     *exec.Cmd
}

var spark driver // started by the first test that needs it

func TestMain(m *testing.M) {
	code := m.Run()
	spark.stop()
	os.Exit(code)
}

func (d *driver) start(t *testing.T) {
	if d.cmd != nil {
		return
	}
	python, err := filepath.Abs("../../../interop/.cache/venv/bin/python")
	require.NoError(t, err)
	require.FileExists(t, python, "run dispatch/sparkjob/setup.sh first")
	d.cmd = exec.Command(python, "driver.py")
	d.cmd.Stderr = os.Stderr
	d.in, err = d.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := d.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, d.cmd.Start())
	d.answers = bufio.NewScanner(out)
	require.True(t, d.answers.Scan(), "Spark did not start")
	require.Equal(t, "ready", d.answers.Text())
}

func (d *driver) stop() {
	if d.cmd == nil {
		return
	}
	_ = d.in.Close()
	_ = d.cmd.Wait()
}

// run has Spark do the job of a manifest and returns its result.
func (d *driver) run(t *testing.T, m dispatch.Manifest) etl.JobResult {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.start(t)
	dir := t.TempDir()
	doc, err := json.Marshal(m)
	require.NoError(t, err)
	manifest, result := filepath.Join(dir, "manifest.json"), filepath.Join(dir, "result.json")
	require.NoError(t, os.WriteFile(manifest, doc, 0o600))
	ask, err := json.Marshal(map[string]string{"manifest": manifest, "result": result})
	require.NoError(t, err)
	_, err = fmt.Fprintf(d.in, "%s\n", ask)
	require.NoError(t, err)
	require.True(t, d.answers.Scan(), "Spark has ended")
	doc, err = os.ReadFile(result)
	require.NoError(t, err)
	var r etl.JobResult
	require.NoError(t, json.Unmarshal(doc, &r))
	require.Equal(t, m.JobID, r.JobID)
	require.Equal(t, map[bool]string{true: "0", false: "1"}[r.Receipt != nil], d.answers.Text(), string(doc))
	require.NotEqual(t, r.Receipt == nil, r.Failure == nil, string(doc))
	return r
}

// lake is a folder with files and two catalogs: of the tables that both engines
// write, and of those that the engine in Go alone writes.
type lake struct {
	t           *testing.T
	dir         string
	table       etl.Table
	target      etl.Target
	source      *source.DirSource
	both, alone *icebergsink.Sink
	fence       int64
	epoch       int64
	loads       int
}

func newLake(t *testing.T, table etl.Table) *lake {
	l := &lake{t: t, dir: t.TempDir(), table: table}
	if table.TombstoneRetention == 0 {
		l.table.TombstoneRetention = 7 * 24 * time.Hour
	}
	l.table.Op.Codes = map[string]etl.Op{"I": etl.Upsert, "U": etl.Upsert, "D": etl.Delete}
	var err error
	l.target, err = l.table.Target()
	require.NoError(t, err)
	l.both, l.alone = l.open("both"), l.open("alone")
	l.source = source.Dir(filepath.Join(l.dir, "landing"))
	return l
}

func (l *lake) open(name string) *icebergsink.Sink {
	s, err := icebergsink.Open(l.t.Context(), icebergsink.Config{Warehouse: filepath.Join(l.dir, name)})
	require.NoError(l.t, err)
	l.t.Cleanup(func() { require.NoError(l.t, s.Close()) })
	return s
}

// land writes files and returns the load of them.
func (l *lake) land(kind etl.LoadKind, contents ...[]byte) etl.Load {
	l.loads++
	l.fence++
	load := etl.Load{
		ID: fmt.Sprintf("load-%d", l.loads), Table: l.table.Name, Kind: kind, Fence: l.fence,
		Landed: time.Date(2024, 2, 20, 11, 0, l.loads, 5e8, time.UTC),
	}
	if kind == etl.Full {
		l.epoch++
	} else {
		load.Watermark, load.WatermarkFile = fmt.Sprintf("%08d", l.loads), "last"
	}
	load.Epoch = l.epoch
	for i, content := range contents {
		location := fmt.Sprintf("%04d/%d", l.loads, i)
		path := filepath.Join(l.dir, "landing", filepath.FromSlash(location))
		require.NoError(l.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(l.t, os.WriteFile(path, content, 0o600))
	}
	prefix := fmt.Sprintf("%04d/", l.loads)
	found := map[string]etl.File{}
	for f, err := range l.source.List(l.t.Context()) {
		require.NoError(l.t, err)
		found[f.Location] = f
	}
	for i := range contents {
		f, ok := found[fmt.Sprintf("%s%d", prefix, i)]
		require.True(l.t, ok)
		load.Files = append(load.Files, f)
	}
	return load
}

func (l *lake) manifest(load etl.Load) dispatch.Manifest {
	sink, err := l.both.Declare()
	require.NoError(l.t, err)
	job := etl.Job{ID: fmt.Sprintf("job-%d", load.Fence), Table: l.table, Target: l.target, Load: load, Sink: sink}
	for _, f := range load.Files {
		uri, err := l.source.URI(l.t.Context(), f)
		require.NoError(l.t, err)
		job.URIs = append(job.URIs, uri)
	}
	m, err := dispatch.NewManifest(l.t.Context(), job)
	require.NoError(l.t, err)
	return m
}

// inGo applies a load with the engine in Go.
func (l *lake) inGo(s *icebergsink.Sink, load etl.Load) (etl.Receipt, error) {
	changes, err := etl.NewChanges(etl.ChangesConfig{Table: l.table, Load: load, Source: l.source, TempDir: l.dir})
	require.NoError(l.t, err)
	return s.Apply(context.Background(), l.target, load, changes)
}

// snapshots returns how many snapshots the table has, and on how many branches.
func (l *lake) snapshots() (int, int) {
	tbl, err := l.both.Table(l.t.Context(), l.table.Name)
	require.NoError(l.t, err)
	refs := 0
	for range tbl.Metadata().Refs() {
		refs++
	}
	return len(tbl.Metadata().Snapshots()), refs
}

// orphans are files of the table that no snapshot names.
func (l *lake) orphans() []string {
	tbl, err := l.both.Table(l.t.Context(), l.table.Name)
	require.NoError(l.t, err)
	files, err := tbl.FS(l.t.Context())
	require.NoError(l.t, err)
	named := map[string]bool{}
	for _, snap := range tbl.Metadata().Snapshots() {
		named[filepath.Base(snap.ManifestList)] = true
		manifests, err := snap.Manifests(files)
		require.NoError(l.t, err)
		for _, m := range manifests {
			named[filepath.Base(m.FilePath())] = true
			for e, err := range m.Entries(files, false) {
				require.NoError(l.t, err)
				named[filepath.Base(e.DataFile().FilePath())] = true
			}
		}
	}
	var found []string
	require.NoError(l.t, filepath.WalkDir(tbl.Location(), func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		if err == nil && !d.IsDir() && !named[name] && !strings.HasPrefix(name, ".") && !strings.HasSuffix(name, ".metadata.json") {
			found = append(found, path)
		}
		return err
	}))
	return found
}

func lines(rows ...string) []byte { return []byte(strings.Join(rows, "\n") + "\n") }
