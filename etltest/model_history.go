package etltest

import (
	"fmt"
	"slices"
	"time"

	etl "github.com/tidemark-data/etl"
)

// chronicle takes changes one after the other into the versions of their keys.
func (m *Model) chronicle(changes []Change) (etl.Counts, error) {
	before := m.versions
	m.versions = before.begin()
	n := etl.Counts{Read: int64(len(changes)), RowsBefore: before.len()}
	for i, c := range changes {
		if err := m.tell(c, &n); err != nil {
			m.versions = before
			return etl.Counts{}, fmt.Errorf("change %d: %w", i+1, err)
		}
	}
	if err := m.countVersions(&n); err != nil {
		m.versions = before
		return etl.Counts{}, err
	}
	return n, nil
}

// tell takes one change.
func (m *Model) tell(c Change, n *etl.Counts) error {
	key, err := m.keyOf(c)
	if err != nil {
		return err
	}
	order := m.orderOf(c)
	if c.Op == etl.Delete {
		left, err := m.end(key, c, change)
		n.Unchanged += count(!left)
		return err
	}
	if order == nil && len(m.table.OrderBy) > 0 {
		return &etl.RowError{Column: m.table.OrderBy[0], Rule: "a change of a history table needs an order"}
	}
	t := m.versions.of(key)
	at, err := t.place(order)
	if err != nil {
		return err
	}
	supplier := t.below(at)
	if old, ok := oldKey(c, key); ok {
		if supplier, err = m.moved(old, c); err != nil {
			return err
		}
	}
	if t.tombstone != nil && order != nil {
		if rank, err := compareOrders(order, t.tombstone); err != nil || rank < 0 {
			return err
		}
	}
	v := version{row: completed(c.Values, supplier), order: order, from: m.timeOf(c), by: change}
	if m.Filter != nil && !m.Filter(v.row) {
		n.Filtered++
		n.RemovedByFilter += t.filtered(at, v)
		return nil
	}
	t.upsert(at, v)
	return nil
}

// moved ends a key that was changed into another, and returns the version that it had.
func (m *Model) moved(old string, c Change) (*version, error) {
	t := m.versions.of(old)
	at, err := t.place(m.orderOf(c))
	if err != nil {
		return nil, err
	}
	var was *version
	if b := t.below(at); b != nil {
		v := *b
		was = &v
	}
	_, err = m.end(old, c, keyChange)
	return was, err
}

// end lets a delete leave a version, or an order to remember where the key has none.
func (m *Model) end(key string, c Change, by maker) (left bool, err error) {
	t, order := m.versions.of(key), m.orderOf(c)
	at, err := t.place(order)
	if err != nil {
		return false, err
	}
	if len(t.versions) == 0 {
		return false, t.remember(order)
	}
	b := t.below(at)
	if b == nil || b.deleted && (order == nil || t.same(at, order)) {
		return false, nil
	}
	v := version{row: slices.Clone(b.row), order: b.order, from: m.timeOf(c), deleted: true, by: by}
	if order != nil {
		v.order = order
		for i, name := range m.table.OrderBy {
			v.row[m.table.Columns.Index(name)] = order[i]
		}
	}
	t.insert(at, v)
	return true, nil
}

func (t *timeline) remember(order []any) error {
	if order == nil {
		return nil
	}
	if t.tombstone != nil {
		if rank, err := compareOrders(order, t.tombstone); err != nil || rank < 0 {
			return err
		}
	}
	t.tombstone = order
	return nil
}

// completed returns values with those that were not supplied taken from a version.
func completed(values []any, from *version) []any {
	row := slices.Clone(values)
	for i, v := range row {
		if _, unsupplied := v.(Unsupplied); unsupplied {
			row[i] = nil
			if from != nil && !from.deleted {
				row[i] = from.row[i]
			}
		}
	}
	return row
}

// countVersions counts what rows of a load left. Unchanged and Filtered are counted
// already; what left nothing else is superseded.
func (m *Model) countVersions(n *etl.Counts) error {
	for _, t := range m.versions {
		for _, v := range t.versions {
			n.Updated += count(v.by == change && v.stood)
			n.Inserted += count(v.by == change && !v.stood)
			n.RemovedAsOldKey += count(v.by == keyChange)
			n.RemovedAsAbsent += count(v.by == absence)
			if v.by == nothing {
				continue
			}
			if err := m.required(v.row); err != nil {
				return err
			}
		}
	}
	n.Superseded = n.Read - n.Inserted - n.Updated - n.Unchanged - n.Filtered
	n.RowsAfter = m.versions.len()
	return nil
}

// chronicleFull replaces the table by the rows of a full load, or adds what differs.
func (m *Model) chronicleFull(rows []Change) (etl.Counts, error) {
	upserts := m.table
	upserts.Mode = etl.ModeUpsert
	fresh := &Model{Filter: m.Filter, table: upserts, keys: map[string]known{}, full: true}
	n, won, err := fresh.win(rows)
	if err != nil {
		return etl.Counts{}, err
	}
	n.RowsBefore = m.versions.len()
	if m.table.FullLoads == etl.FullDifference {
		return m.versionsOfDifference(fresh, won, rows)
	}
	m.versions = timelines{}
	for key, w := range won {
		if row := fresh.keys[key].row; row != nil {
			v := version{row: row, order: m.orderOf(Change{Values: row}), from: m.timeOf(rows[w.change]), open: true, base: true}
			m.versions[key] = &timeline{versions: []version{v}}
		}
	}
	return n, nil
}

// versionsOfDifference adds a version for each key of which a full load says something
// else than the last version does. fresh holds nothing but the load.
func (m *Model) versionsOfDifference(fresh *Model, won map[string]verdict, rows []Change) (etl.Counts, error) {
	n := etl.Counts{Read: int64(len(rows)), RowsBefore: m.versions.len()}
	m.versions = m.versions.begin()
	landed := m.Landed
	for _, c := range rows {
		if landed.Before(c.Landed) {
			landed = c.Landed
		}
	}
	for key, w := range won {
		m.differs(m.versions.of(key), fresh.keys[key].row, rows[w.change], &n)
	}
	for key, t := range m.versions {
		if _, has := won[key]; !has && t.there() {
			l := t.last()
			t.add(version{row: slices.Clone(l.row), order: l.order, from: landed.Truncate(time.Microsecond), deleted: true, by: absence})
		}
		t.tombstone = nil
		for i := range t.versions {
			t.versions[i].base = true
		}
	}
	return n, m.countVersions(&n)
}

// differs takes the winner of a key; row is nil if it is deleted or filtered.
func (m *Model) differs(t *timeline, row []any, c Change, n *etl.Counts) {
	v := version{row: row, from: m.timeOf(c), by: change}
	switch {
	case row == nil && c.Op != etl.Delete:
		n.Filtered++
		if l := t.last(); l != nil && l.open {
			from := v.from
			if from.Before(l.from) {
				from = l.from
			}
			l.cut(from)
		}
	case row == nil && !t.there(), row != nil && t.there() && slices.EqualFunc(t.last().row, row, sameValue):
		n.Unchanged++
	case row == nil:
		v.row, v.deleted = slices.Clone(t.last().row), true
		v.order = t.last().order
		t.add(v)
	default:
		v.order = m.orderOf(Change{Values: row})
		t.add(v)
	}
}
