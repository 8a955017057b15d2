//go:build interop

package interop

import (
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/lock/sqlitelock"
	"github.com/tidemark-data/etl/source"
)

// layouts are partition specs, each with a name for its table.
var layouts = []struct {
	name   string
	fields []etl.PartitionField
}{
	{"unpartitioned", nil},
	{"day_ts", []etl.PartitionField{{Column: "ts", Transform: "day"}}},
	{"bucket_id", []etl.PartitionField{{Column: "id", Transform: "bucket", N: 8}}},
	{"region", []etl.PartitionField{{Column: "region", Transform: "identity"}}},
	{"region_start", []etl.PartitionField{{Column: "region", Transform: "truncate", N: 3}}},
	{"odd_region", []etl.PartitionField{{Column: "odd", Transform: "identity"}}},
	{"odd_start", []etl.PartitionField{{Column: "odd", Transform: "truncate", N: 4}}},
	{"months", []etl.PartitionField{{Column: "day", Transform: "month"}, {Column: "tz", Transform: "year"}, {Column: "flag", Transform: "identity"}}},
	{"hours", []etl.PartitionField{{Column: "tz", Transform: "hour"}, {Column: "l", Transform: "truncate", N: 100}}},
	{"decimals", []etl.PartitionField{{Column: "dec9", Transform: "truncate", N: 50}, {Column: "dec38", Transform: "bucket", N: 3}}},
	{"buckets", []etl.PartitionField{{Column: "u", Transform: "bucket", N: 2}, {Column: "s", Transform: "bucket", N: 2}, {Column: "day", Transform: "bucket", N: 2}}},
	{"buckets2", []etl.PartitionField{{Column: "bin", Transform: "bucket", N: 2}, {Column: "ts", Transform: "bucket", N: 2}, {Column: "i", Transform: "bucket", N: 2}}},
	{"identities", []etl.PartitionField{{Column: "day", Transform: "identity"}, {Column: "dec18", Transform: "identity"}}},
}

// wide makes a table of every type for each layout, and takes it after a full
// load, after changes, after another full load, and after changes to that.
func (l *lake) wide() {
	for n, layout := range layouts {
		cols := wideColumns()
		s := l.story(etl.Table{
			Name: "wide." + layout.name, Key: []string{"id"}, OrderBy: []string{"seq"},
			Columns: cols, Partition: layout.fields,
		})
		keys := 80
		if layout.fields == nil {
			keys = 3000 // several pages and row positions that matter
		} else {
			s.filter = []string{"id", cols[2+n%(len(cols)-2)].Name}
			for _, f := range layout.fields {
				s.filter = append(s.filter, f.Column)
			}
		}
		filter := s.filter
		m := newMaker(uint64(n), cols, keys)
		s.full(m.fullLoad()...)
		s.filter = []string{} // the later states hold more to go wrong
		s.check("1 full load")
		s.filter = filter
		s.changes(m.changeFile(keys/4), m.changeFile(keys/4))
		s.changes(m.changeFile(keys / 3))
		s.check("2 changes")
		s.full(m.fullLoad()...)
		s.filter = []string{}
		s.check("3 full load again")
		s.filter = filter
		s.changes(m.changeFile(keys / 2))
		s.check("4 changes again")
	}
}

// far makes a table with dates at both ends of the calendar.
func (l *lake) far() {
	s := l.story(etl.Table{
		Name: "wide.far_dates", Key: []string{"id"}, OrderBy: []string{"seq"}, Columns: wideColumns(),
		Partition: []etl.PartitionField{{Column: "day", Transform: "year"}, {Column: "ts", Transform: "month"}},
	})
	s.filter = []string{"id", "day", "ts", "tz"}
	m := newMaker(99, wideColumns(), 60)
	m.far = true
	s.full(m.fullLoad()...)
	s.changes(m.changeFile(30))
	s.check("changes")
}

// texts makes tables partitioned by texts that are easily taken for no value.
func (l *lake) texts() {
	for name, text := range map[string]string{"null": "null", "empty": ""} {
		for _, f := range []etl.PartitionField{{Column: "s", Transform: "identity"}, {Column: "s", Transform: "truncate", N: 4}} {
			s := l.story(etl.Table{
				Name: "edge.text_" + name + "_" + f.Transform, Key: []string{"id"}, Partition: []etl.PartitionField{f},
				Columns: etl.Columns{{Name: "id", Type: etl.Long}, {Name: "s", Type: etl.String}},
			})
			s.full(etltest.Upsert(int64(1), nil), etltest.Upsert(int64(2), text), etltest.Upsert(int64(3), "a"))
			s.changes([]etltest.Change{etltest.Upsert(int64(4), text), etltest.Upsert(int64(3), nil)})
			s.check("changes")
		}
	}
}

// sensitive makes a table of which some columns have no bounds.
func (l *lake) sensitive() {
	cols := wideColumns()
	for i := range cols[2:] {
		cols[i+2].Sensitive = i%2 == 0
	}
	s := l.story(etl.Table{Name: "wide.sensitive", Key: []string{"id"}, OrderBy: []string{"seq"}, Columns: cols})
	m := newMaker(101, cols, 100)
	s.full(m.fullLoad()...)
	s.changes(m.changeFile(40))
	s.check("changes")
}

// empty makes tables without rows: a full load without any, and one of which
// everything was deleted.
func (l *lake) empty() {
	decl := etl.Table{Name: "edge.empty", Key: []string{"id"}, Columns: wideColumns(), AllowEmpty: true}
	s := l.story(decl)
	s.full()
	s.check("full load without rows")

	decl.Name, decl.Partition = "edge.emptied", []etl.PartitionField{{Column: "region", Transform: "identity"}}
	s = l.story(decl)
	m := newMaker(5, decl.Columns, 20)
	s.full(m.fullLoad()...)
	var all []etltest.Change
	for id := range int64(20) {
		row := make([]any, len(decl.Columns))
		row[0] = id
		all = append(all, etltest.Delete(row...))
	}
	s.changes(all)
	require.Empty(l.t, s.model.Rows())
	s.check("all deleted")
	s.changes(m.changeFile(10))
	s.check("filled again")
	s.full()
	s.check("emptied by a full load")
}

// moved makes tables of which keys went to another partition: by an update of
// the partition's column, and by a change of the key itself.
func (l *lake) moved() {
	s := l.story(etl.Table{
		Name: "edge.moved", Key: []string{"region", "id"}, OldKey: []string{"old_region", "old_id"},
		Columns: etl.Columns{
			{Name: "region", Type: etl.String}, {Name: "id", Type: etl.Int}, {Name: "day", Type: etl.Date},
		},
		Partition: []etl.PartitionField{{Column: "region", Transform: "identity"}, {Column: "day", Transform: "day"}},
	})
	var rows []etltest.Change
	for id := range 40 {
		rows = append(rows, etltest.Upsert([]string{"north", "south"}[id%2], id, fmt.Sprintf("2024-03-%02d", 1+id%5)))
	}
	s.full(rows...)
	s.check("1 full load")
	rows = nil
	for id := 0; id < 40; id += 3 {
		rows = append(rows, etltest.Upsert([]string{"north", "south"}[id%2], id, "2024-04-01"))
	}
	s.changes(rows)
	s.check("2 moved by an update")
	rows = nil
	for id := 0; id < 40; id += 4 {
		c := etltest.Upsert("west", id, "2024-03-02")
		c.OldKey = []any{"north", id}
		rows = append(rows, c)
	}
	s.changes(rows)
	s.check("3 moved by a change of key")
	require.Len(l.t, s.model.Rows(), 40)
}

// many makes a table by many small loads, so that readers meet many manifests
// and delete files for one data file.
func (l *lake) many() {
	cols := etl.Columns{{Name: "id", Type: etl.Long}, {Name: "seq", Type: etl.Long}, {Name: "s", Type: etl.String}}
	s := l.story(etl.Table{
		Name: "edge.many_loads", Key: []string{"id"}, OrderBy: []string{"seq"}, Columns: cols,
		Partition: []etl.PartitionField{{Column: "id", Transform: "bucket", N: 2}},
	})
	m := newMaker(17, cols, 500)
	s.full(m.fullLoad()...)
	for range 25 {
		s.changes(m.changeFile(12))
	}
	s.check("25 loads")
}

// histories makes tables by random histories, without the faults that other
// tests are about.
func (l *lake) histories() {
	for seed := range int64(8) {
		seed++
		h := etltest.NewHistory(seed, 25, format.DMS{})
		h.Table.Name = "shop.orders"
		sub := newLake(l.t)
		rows := sub.play(h)
		if rows == nil {
			continue
		}
		c := sub.take(fmt.Sprintf("history/seed %d", seed), h.Table, rows)
		c.Catalog, c.Identifier = sub.catalog(), h.Table.Name
		l.checks = append(l.checks, *c)
	}
}

// play runs a history and returns what the table must hold; nil without one.
func (l *lake) play(h *etltest.History) etltest.Rows {
	if h.Keep != nil {
		return nil // its filter is for other tests
	}
	bucket, table := source.NewMemory(), h.Table
	csv := format.CSV{FullColumns: h.FullColumns, ChangeColumns: h.ChangeColumns, Null: "NULL"}
	if h.NoSupply != "" {
		csv.NotSupplied = &h.NoSupply
	}
	table.Format = csv.ForTable(table)
	runner, err := etl.New(etl.Config{
		Source: bucket, Control: l.control, Locker: sqlitelock.New(l.control.DB()), Sink: l.sink,
		Layout: format.DMS{}, Tables: []etl.Table{table},
	})
	require.NoError(l.t, err)
	models := h.Models(format.DMS{})
	p := player{l, runner, bucket, table.Name, map[string]etl.File{}}
	for _, step := range h.Steps {
		models.Step(step)
		p.step(step)
	}
	if !slices.ContainsFunc(models.Ledger.Files(), func(f etltest.LedgerFile) bool { return f.InTable }) {
		return nil
	}
	return models.Table.Rows()
}
