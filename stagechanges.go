package etl

import (
	"fmt"
	"slices"
)

// Fate is what became of the last change of a key in a staged file.
type Fate uint8

// The fates. But for FateRow the file has no row of the key, and none of the files
// before it matters.
const (
	FateRow      Fate = iota // its row is written
	FateFiltered             // a transform dropped it
	FateDeleted              // it is a delete
)

// SheetEntry is what the rows of a staged file do not show of a key.
type SheetEntry struct {
	// Ordinal is the key.
	Ordinal int32
	Fate    Fate
	// Order is that of the change, in bytes that compare like it; nil is none. An
	// order that a row itself shows is encoded in the same way ([OrderCodec]).
	Order []byte
}

// StageChanges returns the changes that file i of a staged load brings, as if it
// were a full load of its own, of the table's checks with those of SpanRow.
func StageChanges(cfg ChangesConfig, i int) (*Changes, error) {
	if i < 0 || i >= len(cfg.Load.Files) {
		return nil, fmt.Errorf("load %s has no file %d", printable(cfg.Load.ID), i)
	}
	cfg.Load.Files, cfg.Load.Staged = slices.Clone(cfg.Load.Files[i:i+1]), true
	cfg.Table.Checks = cfg.Table.spanned(SpanRow)
	return NewChanges(cfg)
}

// traces reports whether of a full load that is staged more than the rows written
// matters: which keys the transforms dropped.
func (c *Changes) traces() bool { return c.load.Staged && len(c.table.Transforms) > 0 }

// hides reports whether the rows written do not show the orders of their changes.
func (c *Changes) hides() bool {
	return c.order != nil && (c.shown == nil || len(c.table.Transforms) > 0)
}

// settles checks that each key of a staged file has one change that wins, whatever
// the files before it hold.
func (r *Resolution) settles() error {
	c, ok := r.settlement.(*contest)
	if !ok || !r.part.c.load.Staged {
		return nil
	}
	for k := range int32(r.part.Len()) {
		high, last := c.l.highOf(k), c.l.lastOf(k)
		if high == 0 || last == 0 {
			continue
		}
		f := r.part.c.load.Files[0]
		return &RowError{
			File: f.Location, Row: max(high, last).position() - r.part.in.base[0], Column: r.part.c.table.OrderBy[0],
			Rule: "the key has rows with and without an order in this file, which cannot be staged by itself: the table needs staging: never",
		}
	}
	return nil
}

// Sheet tells what the rows of a staged file do not show of the keys of the part:
// those that have no row although their last change counts against files before,
// and, where transforms or dropped columns hide them, the orders of all. It is
// called after Rows was drained; nil where the load is not staged.
func (r *Resolution) Sheet() []SheetEntry {
	c, ok := r.settlement.(*contest)
	if !ok || !r.part.c.load.Staged {
		return nil
	}
	var out []SheetEntry
	hides := r.part.c.hides()
	for k := range int32(r.part.Len()) {
		w := c.winner(k)
		e := SheetEntry{Ordinal: k}
		switch {
		case w == 0:
			continue
		case w&markDelete != 0:
			e.Fate = FateDeleted
		case r.filter != nil && r.filter[k]:
			e.Fate = FateFiltered
		case !hides:
			continue
		}
		if w&markOrdered != 0 {
			e.Order = c.l.appendOrder([]byte{}, k)
		}
		out = append(out, e)
	}
	return out
}
