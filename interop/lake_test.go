//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/sqlitecontrol"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/sink/icebergsink"
	"github.com/tidemark-data/etl/source"
)

// check is one state of one table that every engine has to read; read.py tells
// what its fields mean.
type check struct {
	Name       string   `json:"name"`
	Metadata   string   `json:"metadata"`
	Key        []string `json:"key"`
	Columns    []column `json:"columns"`
	Rows       string   `json:"rows"`
	Filter     []string `json:"filter"`
	Partition  []field  `json:"partition,omitempty"`
	Catalog    string   `json:"catalog,omitempty"`
	Identifier string   `json:"identifier,omitempty"`
	Features   []string `json:"features,omitempty"`
	Sensitive  []string `json:"sensitive,omitempty"`
	Sort       []string `json:"sort,omitempty"`
	Lineage    string   `json:"lineage,omitempty"`
	Snapshot   int64    `json:"snapshot,omitempty"`
	Widened    []string `json:"widened,omitempty"`
}

type column struct {
	Name string   `json:"name"`
	Type etl.Type `json:"type"`
}

type field struct {
	Column    string `json:"column"`
	Transform string `json:"transform"`
}

// lake is a folder with tables, and the checks that have been taken of them.
type lake struct {
	t       *testing.T
	dir     string
	sink    *icebergsink.Sink
	control *sqlitecontrol.Store
	checks  []check
}

// keep is where the tables stay for a closer look. Tables hold absolute paths,
// so they cannot be moved there afterwards.
var keep = flag.String("keep", "", "make the tables in a new folder in this `folder`, and leave them there")

func tempDir(t *testing.T) string {
	if *keep == "" {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(*keep, "lake-")
	require.NoError(t, err)
	t.Log("kept:", dir)
	return dir
}

func newLake(t *testing.T, folder ...string) *lake {
	l := &lake{t: t, dir: filepath.Join(append([]string{tempDir(t)}, folder...)...)}
	var err error
	l.sink, err = icebergsink.Open(t.Context(), icebergsink.Config{Warehouse: filepath.Join(l.dir, "warehouse"), Catalog: l.catalog()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.sink.Close()) })
	l.control, err = sqlitecontrol.Open(filepath.Join(l.dir, "control.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.control.Close()) })
	return l
}

func (l *lake) catalog() string { return filepath.Join(l.dir, "catalog.db") }

// take adds a check: the table as it is now must hold these rows.
func (l *lake) take(name string, decl etl.Table, rows etltest.Rows) *check {
	tbl, err := l.sink.Table(l.t.Context(), decl.Name)
	require.NoError(l.t, err)
	return l.takeAt(name, tbl.MetadataLocation(), decl, rows)
}

func (l *lake) takeAt(name, metadata string, decl etl.Table, rows etltest.Rows) *check {
	c := check{Name: name, Metadata: metadata, Key: append([]string{}, decl.Key...)}
	columns := slices.Clone(decl.Columns)
	switch decl.Mode {
	case etl.ModeSoftDelete:
		columns = append(columns, etl.Column{Name: "is_deleted", Type: etl.Bool}, etl.Column{Name: "deleted_at", Type: etl.TimestampTZ})
	case etl.ModeHistory:
		c.Key = []string{} // a key has many rows, and identifies none
		columns = append(columns, etl.Column{Name: "valid_from", Type: etl.TimestampTZ}, etl.Column{Name: "valid_to", Type: etl.TimestampTZ},
			etl.Column{Name: "is_current", Type: etl.Bool}, etl.Column{Name: "is_deleted", Type: etl.Bool})
	}
	for _, col := range columns {
		c.Columns = append(c.Columns, column{col.Name, col.Type})
		if col.Sensitive {
			c.Sensitive = append(c.Sensitive, col.Name)
		}
	}
	for _, f := range decl.Partition {
		c.Partition = append(c.Partition, field{f.Column, f.Transform})
	}
	c.Rows = filepath.Join(l.dir, fmt.Sprintf("expect-%d.jsonl", len(l.checks)))
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, row := range rows.Sorted() {
		require.NoError(l.t, enc.Encode(row))
	}
	require.NoError(l.t, os.WriteFile(c.Rows, b.Bytes(), 0o600))
	l.checks = append(l.checks, c)
	return &l.checks[len(l.checks)-1]
}

// story is one table fed through the whole pipeline, next to the reference
// model, which says what must be in it.
type story struct {
	*lake
	decl   etl.Table
	model  *etltest.Model
	bucket *source.Memory
	runner *etl.Runner
	clock  time.Time
	filter []string
	sort   []string // what the rows of its files must be sorted by
}

func (l *lake) story(decl etl.Table) *story {
	decl.Op.Column = "Op"
	decl.Format = format.CSV{Null: "NULL"}.ForTable(decl)
	if len(decl.OldKey) > 0 {
		changes := append([]string{"Op"}, decl.OldKey...)
		for _, col := range decl.Columns {
			changes = append(changes, col.Name)
		}
		decl.Format = format.CSV{Null: "NULL", ChangeColumns: changes}.ForTable(decl)
	}
	s := &story{
		lake: l, decl: decl, model: etltest.NewModel(decl), bucket: source.NewMemory(),
		clock: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC),
	}
	var err error
	s.runner, err = etl.New(etl.Config{
		Source: s.bucket, Control: l.control, Locker: sqlitelock.New(l.control.DB()), Sink: l.sink,
		Layout: format.DMS{}, Tables: []etl.Table{decl},
	})
	require.NoError(l.t, err)
	return s
}

// full lands a full load and has it applied.
func (s *story) full(rows ...etltest.Change) {
	s.land("LOAD00000001.csv", rows, false)
	for i := range rows {
		rows[i].Landed = s.clock
	}
	_, err := s.model.Full(rows...)
	require.NoError(s.t, err)
	s.ingest()
}

// changes lands files of changes and has them applied in one load.
func (s *story) changes(files ...[]etltest.Change) {
	for _, rows := range files {
		s.land(s.clock.Format("20060102-150405")+"000.csv", rows, true)
		for i := range rows {
			rows[i].Landed = s.clock
		}
		_, err := s.model.Apply(rows...)
		require.NoError(s.t, err)
	}
	s.ingest()
}

func (s *story) land(name string, rows []etltest.Change, change bool) {
	s.clock = s.clock.Add(time.Second)
	s.bucket.Put(strings.Replace(s.decl.Name, ".", "/", 1)+"/"+name, s.csv(rows, change), s.clock)
}

func (s *story) ingest() {
	rep, err := s.runner.Ingest(s.t.Context())
	require.NoError(s.t, err)
	require.NotZero(s.t, rep.Registered)
	require.Len(s.t, rep.Tables[0].Loads, 1, rep.Tables[0].Reason)
}

// check takes the table's present state, which only engines with these features
// can read.
func (s *story) check(stage string, features ...string) {
	c := s.take(s.decl.Name+"/"+stage, s.decl, s.model.Rows())
	c.Filter, c.Features, c.Sort = s.filter, features, s.sort
}

func (s *story) csv(rows []etltest.Change, change bool) []byte {
	var b bytes.Buffer
	for _, r := range rows {
		var fields []any
		if change {
			fields = append(fields, map[etl.Op]string{etl.Upsert: "U", etl.Delete: "D"}[r.Op])
			for i := range s.decl.OldKey {
				if r.OldKey == nil {
					fields = append(fields, nil)
				} else {
					fields = append(fields, r.OldKey[i])
				}
			}
		}
		for i, v := range append(fields, r.Values...) {
			if i > 0 {
				b.WriteByte(',')
			}
			if v == nil {
				b.WriteString("NULL")
			} else {
				b.WriteString(`"` + strings.ReplaceAll(etltest.Text(v), `"`, `""`) + `"`)
			}
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
