package etltest

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	etl "github.com/tidemark-data/etl"
)

// rowMaker makes the table of a history and the rows of its files.
type rowMaker struct {
	*rand.Rand
	h                            *History
	composite, oldKeys, unsupply bool
	orders                       int
	nullOrders                   bool
	clock                        int64 // of the ordering columns
}

func newRowMaker(r *rand.Rand, h *History) rowMaker {
	m := rowMaker{
		Rand: r, h: h, composite: r.IntN(2) == 0, oldKeys: r.IntN(3) == 0, unsupply: r.IntN(2) == 0,
		orders: r.IntN(3), nullOrders: r.IntN(2) == 0,
	}
	t := &h.Table
	if t.Mode == etl.ModeAppend {
		m.oldKeys, m.orders = false, 0
	}
	t.Name, t.Op.Column = "shop.orders", "Op"
	if m.composite {
		t.Key = append(t.Key, "region")
		t.Columns = append(t.Columns, etl.Column{Name: "region", Type: etl.String})
	}
	t.Key = append(t.Key, "id")
	t.Columns = append(t.Columns, etl.Column{Name: "id", Type: etl.Long})
	for i, col := range []etl.Column{{Name: "at", Type: etl.Timestamp}, {Name: "seq", Type: etl.Long}} {
		if i+m.orders >= 2 {
			t.OrderBy = append(t.OrderBy, col.Name)
			t.Columns = append(t.Columns, col)
		}
	}
	t.Columns = append(t.Columns,
		etl.Column{Name: "name", Type: etl.String},
		etl.Column{Name: "qty", Type: etl.Int, Required: r.IntN(3) == 0},
		etl.Column{Name: "note", Type: etl.String})
	h.FullColumns = names(t.Columns)
	if m.oldKeys {
		for _, key := range t.Key {
			t.OldKey = append(t.OldKey, "BI_"+key)
		}
	}
	h.ChangeColumns = slices.Concat([]string{"Op"}, t.OldKey, h.FullColumns)
	if m.unsupply {
		h.NoSupply = "<none>"
	}
	m.policies()
	switch t.Mode {
	case etl.ModeAppend:
		t.Key, t.Late = nil, etl.LateApply
	case etl.ModeHistory:
		t.FullLoads = etl.FullReplace
		if m.orders == 0 { // nothing in the table says which of two versions of a moment is the last, if both have an end
			h.Keep = nil
		}
	}
	return m
}

func (m rowMaker) policies() {
	t := &m.h.Table
	t.Late = []etl.LatePolicy{etl.LatePause, etl.LateApply, etl.LateSetAside}[m.IntN(3)]
	switch m.IntN(6) {
	case 0:
		t.Completion = etl.Completion{Explicit: true}
	case 1:
		t.Completion = etl.Completion{Files: 2}
	case 2:
		t.Completion = etl.Completion{EachFile: true}
	}
	t.AllowEmpty = m.IntN(4) > 0
	t.MaxBatchFiles = []int{1, 2, 3, 0}[m.IntN(4)]
	if !m.unsupply && m.IntN(3) == 0 {
		qty := t.Columns.Index("qty")
		m.h.Keep = func(row []any) bool { q, ok := row[qty].(int64); return !ok || q%4 != 0 }
	}
}

func names(columns etl.Columns) []string {
	var n []string
	for _, c := range columns {
		n = append(n, c.Name)
	}
	return n
}

// full returns n rows, some of the same key.
func (m *rowMaker) full(n int) []Change {
	rows := []Change{}
	for range n {
		rows = append(rows, Upsert(m.row(m.key(), false)...))
	}
	return rows
}

func (m *rowMaker) changes(n int) []Change {
	rows := []Change{}
	for range n {
		key := m.key()
		switch {
		case m.IntN(4) == 0 && m.h.Table.Mode != etl.ModeAppend:
			rows = append(rows, m.delete(key))
		case m.oldKeys && m.IntN(3) == 0:
			c := Upsert(m.row(key, true)...)
			if c.OldKey = m.key(); m.composite && m.IntN(8) == 0 {
				c.OldKey[0] = nil
			}
			rows = append(rows, c)
		default:
			rows = append(rows, Upsert(m.row(key, true)...))
		}
	}
	return rows
}

func (m *rowMaker) delete(key []any) Change {
	row := m.row(key, false)
	for i, col := range m.h.Table.Columns {
		ordering := slices.Contains(m.h.Table.OrderBy, col.Name)
		if !slices.Contains(m.h.Table.Key, col.Name) && (!ordering || m.IntN(2) == 0) {
			row[i] = nil
		}
	}
	return Delete(row...)
}

func (m *rowMaker) key() []any {
	if m.composite {
		return []any{[]string{"n", "s, \"x\""}[m.IntN(2)], int64(m.IntN(3))}
	}
	return []any{int64(m.IntN(6))}
}

// row returns the values of an upsert.
func (m *rowMaker) row(key []any, change bool) []any {
	row := slices.Clone(key)
	order := m.order()
	for _, col := range m.h.Table.Columns[len(key):] {
		var v any
		switch col.Name {
		case "at":
			v = time.Date(2024, 2, 20, 10, 0, 0, 0, time.UTC).Add(time.Duration(order/3) * time.Second)
		case "seq":
			v = order
		case "name":
			v = []string{"ann", "bob, jr", `o"neil`, "line\nbreak", "änn", "0"}[m.IntN(6)]
		case "qty":
			v = int64(m.IntN(100))
		case "note":
			v = fmt.Sprint("n", m.IntN(1000))
		}
		ordering := slices.Contains(m.h.Table.OrderBy, col.Name)
		switch {
		case col.Required, ordering && change && m.h.Table.Mode == etl.ModeHistory:
		case ordering && (!m.nullOrders || m.IntN(8) > 0):
		case change && m.unsupply && m.IntN(3) == 0:
			v = Unsupplied{}
		case ordering || m.IntN(6) == 0:
			v = nil
		}
		row = append(row, v)
	}
	return row
}

// order mostly grows; at times it repeats, or falls back.
func (m *rowMaker) order() int64 {
	switch m.IntN(6) {
	case 0:
		return m.clock
	case 1:
		return m.Int64N(m.clock + 1)
	}
	m.clock++
	return m.clock
}

func (m *rowMaker) csv(rows []Change, columns []string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, c := range rows {
		fields := map[string]any{"Op": "I"}
		if c.Op == etl.Delete {
			fields["Op"] = "D"
		} else if m.IntN(2) == 0 {
			fields["Op"] = "U"
		}
		for i, col := range m.h.Table.Columns {
			fields[col.Name] = c.Values[i]
		}
		for i := range c.OldKey {
			fields[m.h.Table.OldKey[i]] = c.OldKey[i]
		}
		record := make([]string, len(columns))
		for i, name := range columns {
			record[i] = m.field(fields[name])
		}
		_ = w.Write(record) // to memory
	}
	w.Flush()
	return b.Bytes()
}

func (m *rowMaker) field(v any) string {
	switch v.(type) {
	case nil:
		return "NULL"
	case Unsupplied:
		return m.h.NoSupply
	}
	return Text(v)
}

// bad is the content of a change file whose last row has no key, or no order where
// changes need one, or deletes where the table takes no deletes.
func (m *rowMaker) bad() []byte {
	good := m.changes(1 + m.IntN(2))
	row := m.row(m.key(), true)
	if m.h.Table.Mode == etl.ModeAppend {
		return m.csv(append(good, Delete(row...)), m.h.ChangeColumns)
	}
	if m.h.Table.Mode == etl.ModeHistory && m.orders > 0 && m.IntN(2) == 0 {
		row[m.h.Table.Columns.Index("seq")] = nil
		return m.csv(append(good, Upsert(row...)), m.h.ChangeColumns)
	}
	row[len(m.h.Table.Key)-1] = nil
	return m.csv(append(good, Upsert(row...)), m.h.ChangeColumns)
}
