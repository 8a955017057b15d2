//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/source"
)

// evolved makes tables whose schema changes in each way that there is, in each of the
// sink's modes. Engines read every version of them: as it was then, and by time travel
// in the last one.
func (l *lake) evolved() {
	for name, props := range map[string]map[string]string{
		"merge_on_read": nil, "copy_on_write": copied, "version3": version, "copy_on_write_version3": both,
	} {
		l.evolution(name, props)
	}
}

// member is a column of the evolving table: its place in the model, its name and type.
type member struct {
	at   int
	name string
	typ  etl.Type
}

// evolving is a table in the middle of its evolution.
type evolving struct {
	*lake
	decl   etl.Table
	shape  []member // of the table now
	model  *etltest.Model
	bucket *source.Memory
	clock  time.Time
	rand   *rand.Rand
	past   []check
}

func (l *lake) evolution(name string, props map[string]string) {
	e := &evolving{
		lake: l, bucket: source.NewMemory(), clock: time.Date(2024, 2, 20, 11, 0, 0, 0, time.UTC), rand: rand.New(rand.NewPCG(7, 7)),
		decl: etl.Table{
			Name: "evolved." + name, Key: []string{"id"}, Op: etl.OpColumn{Column: "Op"}, Format: format.JSONLines{}, Properties: props,
			Columns: etl.Columns{
				{Name: "id", Type: etl.Long}, {Name: "n", Type: etl.Int}, {Name: "r", Type: etl.Float}, {Name: "d", Type: etl.Decimal(9, 2)},
				{Name: "name", Type: etl.String}, {Name: "code", Type: etl.String, Required: true}, {Name: "note", Type: etl.String},
			},
			Contract: etl.Contract{New: etl.Evolve, Missing: etl.Evolve, Type: etl.Evolve, Null: etl.Evolve},
		},
	}
	universe := etl.Table{Name: e.decl.Name, Key: e.decl.Key, Columns: append(append(etl.Columns{}, e.decl.Columns...), etl.Column{Name: "x"}, etl.Column{Name: "y"})}
	for i := range universe.Columns {
		universe.Columns[i].Required = false
	}
	e.model = etltest.NewModel(universe)
	for i, c := range e.decl.Columns {
		e.shape = append(e.shape, member{i, c.Name, c.Type})
	}
	e.land(etl.Full, 60)
	e.take("1 full load")

	e.shape = append(e.shape, member{7, "x", etl.Long}, member{8, "y", etl.Double})
	e.land(etl.Incremental, 25)
	e.take("2 added columns")

	e.shape[1].typ, e.shape[2].typ, e.shape[3].typ = etl.Long, etl.Double, etl.Decimal(15, 2)
	e.decl.Columns[3].Type = etl.Decimal(15, 2)
	e.land(etl.Incremental, 25)
	e.take("3 widened")

	e.shape[4].name, e.decl.Columns[4].Name = "title", "title"
	e.decl.Columns[4].Doc, e.decl.Renamed = "formerly name", map[string]string{"name": "title"}
	e.land(etl.Incremental, 25)
	e.take("4 renamed")

	e.decl.Columns[5].Doc = "may be null"
	e.land(etl.Incremental, 25, 5)
	e.take("5 optional")

	e.shape = append(e.shape[:6:6], e.shape[7:]...)
	e.decl.Columns, e.decl.Dropped = e.decl.Columns[:6], map[string]etl.DropRule{"note": etl.DropRemove}
	e.land(etl.Incremental, 25, 5)
	e.take("6 dropped")

	e.shape = append(e.shape, member{6, "note", etl.String}) // a new column of the old name
	e.decl.Dropped = nil
	e.forget()
	e.land(etl.Incremental, 25, 5)
	e.take("7 added again")
	e.travel()
}

// forget clears the values of a column that was removed.
func (e *evolving) forget() {
	fresh := e.model.Rows()
	var rows []etltest.Change
	for _, row := range fresh {
		row[6] = nil
		rows = append(rows, etltest.Upsert(row...))
	}
	_, err := e.model.Full(rows...)
	require.NoError(e.t, err)
}

// land puts a file of the present shape there, with nulls in the columns at nullable
// too, and has it applied.
func (e *evolving) land(kind etl.LoadKind, n int, nullable ...int) {
	var b bytes.Buffer
	var rows []etltest.Change
	for i := range n {
		c := etltest.Change{Op: etl.Upsert, Values: make([]any, 9)}
		record := map[string]any{}
		if kind != etl.Full {
			record["Op"] = "U"
			if e.rand.IntN(6) == 0 {
				c.Op, record["Op"] = etl.Delete, "D"
			}
		}
		for at := range c.Values {
			c.Values[at] = etltest.Unsupplied{}
			if kind == etl.Full {
				c.Values[at] = nil
			}
		}
		for _, m := range e.shape {
			v := e.value(m, i, kind, m.at == 5 && len(nullable) == 0)
			c.Values[m.at] = v
			if text, ok := v.(string); ok && m.at == 3 {
				record[m.name] = json.Number(text)
			} else {
				record[m.name] = v
			}
		}
		line, err := json.Marshal(record)
		require.NoError(e.t, err)
		b.Write(append(line, '\n'))
		rows = append(rows, c)
	}
	e.clock = e.clock.Add(time.Minute)
	name := "LOAD00000001.json"
	if kind != etl.Full {
		name = e.clock.Format("20060102-150405") + "000.json"
	}
	e.bucket.Put(strings.Replace(e.decl.Name, ".", "/", 1)+"/"+name, b.Bytes(), e.clock)
	_, err := e.model.Load(kind, rows...)
	require.NoError(e.t, err)
	runner, err := etl.New(etl.Config{
		Source: e.bucket, Control: e.control, Locker: sqlitelock.New(e.control.DB()), Sink: e.sink, Layout: format.DMS{}, Tables: []etl.Table{e.decl},
	})
	require.NoError(e.t, err)
	rep, err := runner.Ingest(e.t.Context())
	require.NoError(e.t, err)
	require.Len(e.t, rep.Tables[0].Loads, 1, rep.Tables[0].Reason)
}

func (e *evolving) value(m member, i int, kind etl.LoadKind, required bool) any {
	switch {
	case m.at == 0 && kind == etl.Full:
		return int64(i)
	case m.at == 0:
		return int64(e.rand.IntN(80))
	case !required && e.rand.IntN(6) == 0:
		return nil
	}
	n := int64(e.rand.IntN(1000))
	switch m.typ {
	case etl.Int:
		return n
	case etl.Long:
		return n + 1<<40
	case etl.Float:
		return float64(n) + 0.5
	case etl.Double:
		return float64(n) + 0.1000000001 // no float holds it
	case etl.String:
		return fmt.Sprintf("%s %d", m.name, n)
	}
	if precision, _, _ := m.typ.DecimalSize(); precision > 9 {
		return strconv.FormatInt(n+1<<35, 10) + ".57"
	}
	return strconv.FormatInt(n, 10) + ".57"
}

// take takes the table as it is now.
func (e *evolving) take(stage string) {
	decl := etl.Table{Name: e.decl.Name, Key: e.decl.Key}
	var rows etltest.Rows
	for _, m := range e.shape {
		decl.Columns = append(decl.Columns, etl.Column{Name: m.name, Type: m.typ})
	}
	for _, row := range e.model.Rows() {
		var now []any
		for _, m := range e.shape {
			now = append(now, row[m.at])
		}
		rows = append(rows, now)
	}
	tbl, err := e.sink.Table(e.t.Context(), e.decl.Name)
	require.NoError(e.t, err)
	c := e.lake.take(e.decl.Name+"/"+stage, decl, rows)
	now := &story{lake: e.lake, decl: e.decl}
	c.Features, c.Widened = now.vectors(), e.widened(now)
	then := *c
	then.Snapshot = tbl.CurrentSnapshot().SnapshotID
	e.past = append(e.past, then)
}

// widened are the long columns that some data file holds as int.
func (e *evolving) widened(s *story) (out []string) {
	s.footers(func(c *parquetChunk) {
		name := c.PathInSchema().String()
		is := func(m member) bool { return m.name == name && m.typ == etl.Long }
		if c.Type() == parquet.Types.Int32 && slices.ContainsFunc(e.shape, is) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	})
	return out
}

// travel takes every version by its snapshot, in the metadata of the last one.
func (e *evolving) travel() {
	tbl, err := e.sink.Table(e.t.Context(), e.decl.Name)
	require.NoError(e.t, err)
	require.Greater(e.t, len(tbl.Metadata().Schemas()), 5)
	for _, c := range e.past {
		c.Name, c.Metadata = strings.Replace(c.Name, "/", "/back to ", 1), tbl.MetadataLocation()
		c.Filter = []string{"id", "code"} // PyIceberg looks for names of filters in the schema of today
		e.checks = append(e.checks, c)
	}
}
