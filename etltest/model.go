package etltest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	etl "github.com/tidemark-data/etl"
)

// Unsupplied stands in [Change.Values] for a column that the producer did not
// supply: the column keeps its value.
type Unsupplied struct{}

// Change is one row of a file, in Go values: nil for null, [Unsupplied], or a
// bool, integer, float64, string, []byte or time.Time. The key and the order
// are read from Values.
type Change struct {
	// Op is Upsert or Delete; zero is Upsert. Deletes need key (and ordering)
	// columns only.
	Op etl.Op
	// Values holds one value for each column of the table, in their order.
	Values []any
	// OldKey holds the before-image columns, one for each key column; nil if
	// there are none.
	OldKey []any
	// Landed is when the change's file landed, which some tables of
	// [etl.ModeSoftDelete] show of deleted rows.
	Landed time.Time
}

// Upsert is a change that inserts or replaces a row.
func Upsert(values ...any) Change { return Change{Op: etl.Upsert, Values: values} }

// Delete is a change that removes a row.
func Delete(values ...any) Change { return Change{Op: etl.Delete, Values: values} }

// Model is the reference model of one table: what it must hold after its loads,
// found the slow and plain way, one change at a time. It is not safe for
// concurrent use.
type Model struct {
	// Filter, if not nil, tells which winning rows stay in the table.
	Filter func(row []any) bool
	// Landed is when the last file of the next full load landed, which in tables of
	// [etl.ModeHistory] is the end of what it lacks; it may be left out where that file
	// has rows.
	Landed time.Time

	table    etl.Table
	keys     map[string]known
	full     bool      // it holds but a full load
	appended [][]any   // rows of etl.ModeAppend
	versions timelines // of etl.ModeHistory
}

// known is what the table knows of one key.
type known struct {
	row   []any // nil where the key is absent
	order []any // greatest order seen for the key; nil where none is known
}

// verdict is the change that made what is known of a key within a load.
type verdict struct {
	change int
	oldKey bool // it won as the removal of the change's old key
	upsert bool // an upsert of the load made the row that the key has
}

// NewModel returns the model of an empty table. Of the declaration it looks at
// Columns, Mode, Key, OrderBy and FullLoads.
func NewModel(table etl.Table) *Model {
	return &Model{table: table, keys: map[string]known{}, versions: timelines{}}
}

// Load is Full or Apply, by kind.
func (m *Model) Load(kind etl.LoadKind, rows ...Change) (etl.Counts, error) {
	if kind == etl.Full {
		return m.Full(rows...)
	}
	return m.Apply(rows...)
}

// Full replaces the table by the rows of a full load, which are in the order of
// its files. It returns what became of the rows, or an error, and no effect, if
// one of them is bad.
func (m *Model) Full(rows ...Change) (etl.Counts, error) {
	if m.table.Mode == etl.ModeHistory {
		return m.chronicleFull(rows)
	}
	fresh := &Model{Filter: m.Filter, table: m.table, keys: map[string]known{}, full: true}
	counts, err := fresh.Apply(rows...)
	if err != nil {
		return etl.Counts{}, err
	}
	counts.RowsBefore = m.len()
	if m.table.FullLoads == etl.FullDifference {
		counts = m.difference(fresh, rows)
	}
	for key, k := range fresh.keys {
		if k.row == nil {
			delete(fresh.keys, key) // no tombstone outlives a full load
			continue
		}
		fresh.keys[key] = known{row: k.row} // any change beats a row of the full load
	}
	m.keys, m.appended = fresh.keys, fresh.appended
	return counts, nil
}

// Apply takes changes in the order of their files, as one load. It returns what
// became of the rows, or an error, and no effect, if one of them is bad.
func (m *Model) Apply(changes ...Change) (etl.Counts, error) {
	switch m.table.Mode {
	case etl.ModeAppend:
		return m.add(changes)
	case etl.ModeHistory:
		return m.chronicle(changes)
	}
	counts, _, err := m.win(changes)
	return counts, err
}

// win takes changes into a table of one row for a key. It also returns which of them
// won.
func (m *Model) win(changes []Change) (etl.Counts, map[string]verdict, error) {
	before, beforeLen := m.keys, m.len()
	m.keys = maps.Clone(before)
	won := map[string]verdict{}
	for i, c := range changes {
		if err := m.fold(i, c, won); err != nil {
			m.keys = before
			return etl.Counts{}, nil, fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	counts := etl.Counts{Read: int64(len(changes)), RowsBefore: beforeLen}
	for key, w := range won {
		if err := m.settle(key, w, changes[w.change], before[key].row != nil, &counts); err != nil {
			m.keys = before
			return etl.Counts{}, nil, fmt.Errorf("change %d: %w", w.change+1, err)
		}
	}
	counts.Superseded = counts.Read - counts.Inserted - counts.Updated - counts.Deleted - counts.Unchanged - counts.Filtered
	counts.RowsAfter = m.len()
	return counts, won, nil
}

// fold takes change number i.
func (m *Model) fold(i int, c Change, won map[string]verdict) error {
	key, err := m.keyOf(c)
	if err != nil {
		return err
	}
	order := m.orderOf(c)
	if c.Op == etl.Delete {
		return m.take(key, m.deleted(key, c), order, verdict{change: i, upsert: won[key].upsert}, won)
	}
	previous := m.keys[key].row
	if old, ok := oldKey(c, key); ok {
		previous = m.keys[old].row
		if err := m.take(old, m.deleted(old, c), order, verdict{change: i, oldKey: true, upsert: won[old].upsert}, won); err != nil {
			return err
		}
	}
	row := make([]any, len(c.Values))
	for j, v := range c.Values {
		switch _, unsupplied := v.(Unsupplied); {
		case !unsupplied:
			row[j] = v
		case previous != nil:
			row[j] = previous[j]
		}
	}
	if m.table.Mode == etl.ModeSoftDelete {
		row = append(row, false, nil)
	}
	return m.take(key, row, order, verdict{change: i, upsert: true}, won)
}

// take lets one operation on one key win or lose; row is nil for a removal.
func (m *Model) take(key string, row, order []any, w verdict, won map[string]verdict) error {
	greatest := m.keys[key].order
	if order != nil && greatest != nil {
		c, err := compareOrders(order, greatest)
		if err != nil {
			return err
		}
		if c < 0 {
			return nil
		}
	}
	if order != nil {
		greatest = order
	}
	m.keys[key] = known{row: row, order: greatest}
	won[key] = w
	return nil
}

// settle counts what became of a key and applies the filter.
func (m *Model) settle(key string, w verdict, c Change, existed bool, n *etl.Counts) error {
	now := m.keys[key]
	switch {
	case now.row != nil && w.oldKey && !w.upsert: // a committed row was marked, as part of another's fate
	case now.row == nil && w.oldKey:
		n.RemovedAsOldKey += count(existed)
	case now.row == nil:
		n.Deleted += count(existed)
		n.Unchanged += count(!existed)
	case m.Filter != nil && !m.Filter(now.row):
		n.Filtered++
		n.RemovedByFilter += count(existed)
		m.keys[key] = known{order: now.order}
	default:
		n.Updated += count(existed)
		n.Inserted += count(!existed)
		return m.required(now.row)
	}
	return nil
}

func (m *Model) required(row []any) error {
	for i, col := range m.table.Columns {
		if col.Required && row[i] == nil {
			return &etl.RowError{Column: col.Name, Rule: "required column is null"}
		}
	}
	return nil
}

// Rows returns the rows of the table, sorted.
func (m *Model) Rows() Rows {
	rows := Rows{}
	for _, row := range m.appended {
		rows = append(rows, slices.Clone(row))
	}
	for _, k := range m.keys {
		if k.row != nil {
			rows = append(rows, slices.Clone(k.row))
		}
	}
	return append(rows, m.versions.rows()...).Sorted()
}

// Clone returns a copy that changes by itself.
func (m *Model) Clone() *Model {
	c := *m
	c.keys, c.appended, c.versions = maps.Clone(m.keys), slices.Clone(m.appended), m.versions.begin()
	return &c
}

func (m *Model) len() (n int64) {
	for _, k := range m.keys {
		n += count(k.row != nil)
	}
	return n + int64(len(m.appended))
}

func (m *Model) keyOf(c Change) (string, error) {
	if len(c.Values) != len(m.table.Columns) {
		return "", fmt.Errorf("%d values for %d columns", len(c.Values), len(m.table.Columns))
	}
	parts := make([]any, len(m.table.Key))
	for i, name := range m.table.Key {
		parts[i] = c.Values[m.table.Columns.Index(name)]
		if !supplied(parts[i]) {
			return "", &etl.RowError{Column: name, Rule: "key is null"}
		}
	}
	return keyText(parts), nil
}

// orderOf returns nil for a null order.
func (m *Model) orderOf(c Change) []any {
	var order []any
	for _, name := range m.table.OrderBy {
		v := c.Values[m.table.Columns.Index(name)]
		if !supplied(v) {
			return nil
		}
		order = append(order, v)
	}
	return order
}

func oldKey(c Change, key string) (string, bool) {
	if c.OldKey == nil || slices.ContainsFunc(c.OldKey, func(v any) bool { return !supplied(v) }) {
		return "", false
	}
	old := keyText(c.OldKey)
	return old, old != key
}

func supplied(v any) bool {
	_, unsupplied := v.(Unsupplied)
	return v != nil && !unsupplied
}

func keyText(parts []any) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = strconv.Quote(Text(p))
	}
	return strings.Join(texts, ",")
}

func compareOrders(a, b []any) (int, error) {
	for i := range a {
		c, err := compareValues(a[i], b[i])
		if err != nil || c != 0 {
			return c, err
		}
	}
	return 0, nil
}

func compareValues(a, b any) (int, error) {
	switch x := a.(type) {
	case int:
		if y, ok := b.(int); ok {
			return cmp.Compare(x, y), nil
		}
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), nil
		}
	case float64:
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y), nil
		}
	case string:
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y), nil
		}
	case time.Time:
		if y, ok := b.(time.Time); ok {
			return x.Compare(y), nil
		}
	}
	return 0, fmt.Errorf("orders of types %T and %T cannot be compared", a, b)
}

func count(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
