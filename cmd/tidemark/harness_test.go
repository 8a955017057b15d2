package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl/internal/config"
)

// bench is a folder with a config file, in which the command is called.
type bench struct {
	t     *testing.T
	dir   string
	clock time.Time
}

const head = `source: {dir: landing}
state: control.db
warehouse: lake
layout: {dms: {}}
csv: {header: true}
retry: {attempts: 3, base: 1ms, max: 2ms}
tables:
`

const people = `  - name: hr.people
    key: id
    op: Op
    columns: {id: int, name: {type: string, required: true}, pay: "decimal(8,2)", born: date}
`

func newBench(t *testing.T, tables ...string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), clock: time.Now().Add(-time.Hour).Truncate(time.Second)}
	require.NoError(t, os.Mkdir(filepath.Join(b.dir, "landing"), 0o755))
	b.write("tidemark.yaml", head+strings.Join(tables, ""))
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	path := filepath.Join(b.dir, filepath.FromSlash(name))
	require.NoError(b.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(b.t, os.WriteFile(path, []byte(text), 0o644))
}

// land puts a file into the landing folder, later than those before.
func (b *bench) land(location, text string) {
	b.t.Helper()
	b.write("landing/"+location, text)
	b.clock = b.clock.Add(time.Second)
	require.NoError(b.t, os.Chtimes(filepath.Join(b.dir, "landing", filepath.FromSlash(location)), b.clock, b.clock))
}

type result struct {
	code           int
	stdout, stderr string
}

func (b *bench) call(args ...string) result {
	return b.callWith(context.Background(), "", args...)
}

func (b *bench) callWith(ctx context.Context, stdin string, args ...string) result {
	b.t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"-c", filepath.Join(b.dir, "tidemark.yaml")}, args...)
	code := run(ctx, args, strings.NewReader(stdin), &stdout, &stderr, func(string) string { return "" })
	return result{code, stdout.String(), stderr.String()}
}

// want calls the command and expects an exit code.
func (b *bench) want(code int, args ...string) result {
	b.t.Helper()
	r := b.call(args...)
	require.Equal(b.t, code, r.code, "%v\n%s%s", args, r.stdout, r.stderr)
	return r
}

func (b *bench) json(code int, doc any, args ...string) {
	b.t.Helper()
	r := b.want(code, append(args, "--json")...)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	require.NoError(b.t, dec.Decode(doc), r.stdout)
	require.False(b.t, dec.More(), "more than one document: %s", r.stdout)
}

func (b *bench) ingestDoc(code int) ingestDoc {
	b.t.Helper()
	var doc ingestDoc
	b.json(code, &doc, "ingest")
	require.Equal(b.t, code, doc.ExitCode)
	return doc
}

// rows reads a table: its rows as text, in no order.
func (b *bench) rows(table string) []string {
	b.t.Helper()
	c, err := config.Load(filepath.Join(b.dir, "tidemark.yaml"))
	require.NoError(b.t, err)
	cfg, closing, err := c.Open(context.Background(), nil)
	require.NoError(b.t, err)
	defer func() { require.NoError(b.t, closing()) }()
	return scanRows(b.t, cfg.Sink, table)
}
