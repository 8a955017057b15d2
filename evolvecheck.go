package etl

import (
	"maps"
	"slices"
)

// evolves reports whether the columns of files are looked at before they are read.
func (t Table) evolves() bool { return t.Contract.set() || len(t.Renamed) > 0 || len(t.Dropped) > 0 }

func (t Table) checkContract(p *problems) {
	if !t.evolves() {
		return
	}
	t.Contract.check(p, "contract")
	for _, name := range slices.Sorted(maps.Keys(t.Contract.Columns)) {
		own := t.Contract.Columns[name]
		own.check(p, "contract of column "+printable(name))
		if len(own.Columns) > 0 {
			p.add("contract of column %s: contracts of single columns have none of their own", printable(name))
		}
	}
	for _, former := range slices.Sorted(maps.Keys(t.Renamed)) {
		if now := t.Renamed[former]; t.Columns.Index(now) < 0 {
			p.add("column %s was %s, but is not declared", printable(now), printable(former))
		}
		if t.Columns.Index(former) >= 0 {
			p.add("column %s is declared, and a former name of column %s", printable(former), printable(t.Renamed[former]))
		}
	}
	t.checkDropped(p)
}

func (t Table) checkDropped(p *problems) {
	for _, name := range slices.Sorted(maps.Keys(t.Dropped)) {
		rule := t.Dropped[name]
		switch {
		case rule != DropKeep && rule != DropRemove:
			p.add("dropped column %s: %q is not keep or remove", printable(name), string(rule))
		case rule == DropKeep && t.Columns.Index(name) < 0:
			p.add("dropped column %s is to be kept, but is not declared", printable(name))
		case t.fixed(name) || slices.Contains(t.Sort, name) || slices.Contains(t.OldKey, name):
			p.add("column %s cannot be dropped: key, order, partitions or sort order need it", printable(name))
		}
	}
}

// fixed reports whether the table cannot do without a column, and without its values.
func (t Table) fixed(name string) bool {
	return slices.Contains(t.Key, name) || slices.Contains(t.OrderBy, name) ||
		slices.ContainsFunc(t.Partition, func(f PartitionField) bool { return f.Column == name })
}

// rigid reports whether a column keeps its type. Keys and orders may become wider: what
// is kept of them in encoded form, as remembered orders and the keys of rows set aside
// or erased, has the same bytes in the wider type. The values of partitions stand in
// manifests in the narrower one, but those of buckets, whose numbers are the same for
// both (Iceberg spec, "Partition Transforms" and Appendix B).
func (t Table) rigid(name string) bool {
	return slices.ContainsFunc(t.Partition, func(f PartitionField) bool { return f.Column == name && f.Transform != "bucket" })
}

func (c Contract) check(p *problems, where string) {
	for _, r := range []struct {
		name    string
		rule    ContractRule
		allowed []ContractRule
	}{
		{"new", c.New, []ContractRule{Discard, Evolve, Freeze, Quarantined}},
		{"missing", c.Missing, []ContractRule{Freeze, Evolve}},
		{"type", c.Type, []ContractRule{Freeze, Evolve, Discard, Quarantined}},
		{"null", c.Null, []ContractRule{Quarantined, Freeze, Evolve}},
	} {
		if r.rule != "" && !slices.Contains(r.allowed, r.rule) {
			p.add("%s: %s: %q is not one of %v", where, r.name, string(r.rule), r.allowed)
		}
	}
	switch c.Else {
	case "", ElsePause, ElseNewColumn, ElseString, ElseQuarantine:
	default:
		p.add("%s: else: %q is not pause, new_column, string or quarantine", where, string(c.Else))
	}
}
