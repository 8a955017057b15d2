package config

import (
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
)

// columnReader reads more of a column's details.
type columnReader func(o *object, c *etl.Column)

// tableColumns reads columns and what became of them. Those that are removed are not
// among the result.
func tableColumns(v value, t *etl.Table) etl.Columns {
	out := columns(v, func(o *object, c *etl.Column) {
		var was []string
		o.get("was").strings(&was)
		for _, former := range was {
			if t.Renamed == nil {
				t.Renamed = map[string]string{}
			}
			if other, twice := t.Renamed[former]; twice {
				o.fields["was"].bad("%s is a former name of column %s already", former, other)
			}
			t.Renamed[former] = c.Name
		}
		if d := o.get("dropped"); d.given() {
			if t.Dropped == nil {
				t.Dropped = map[string]etl.DropRule{}
			}
			var rule string
			d.str(&rule)
			t.Dropped[c.Name] = etl.DropRule(rule)
		}
	})
	return slices.DeleteFunc(out, func(c etl.Column) bool { return t.Dropped[c.Name] == etl.DropRemove })
}

// contract reads a table's schema contract.
func contract(v value) (c etl.Contract) {
	o := v.object("a mapping such as new: evolve")
	rules(o, &c)
	if cols := o.get("columns"); cols.given() {
		c.Columns = map[string]etl.Contract{}
		m := cols.object("a mapping from columns to contracts")
		for _, name := range m.names {
			var own etl.Contract
			each := m.fields[name].object("a mapping such as type: freeze")
			rules(each, &own)
			each.done()
			c.Columns[name] = own
		}
	}
	o.done()
	return c
}

func rules(o *object, c *etl.Contract) {
	rule(o.get("new"), (*string)(&c.New), etl.Discard, etl.Evolve, etl.Freeze, etl.Quarantined)
	rule(o.get("missing"), (*string)(&c.Missing), etl.Freeze, etl.Evolve)
	rule(o.get("type"), (*string)(&c.Type), etl.Freeze, etl.Evolve, etl.Discard, etl.Quarantined)
	rule(o.get("null"), (*string)(&c.Null), etl.Quarantined, etl.Freeze, etl.Evolve)
	rule(o.get("else"), (*string)(&c.Else), etl.ElsePause, etl.ElseNewColumn, etl.ElseString, etl.ElseQuarantine)
}

// rule reads one of some words.
func rule[T ~string](v value, dst *string, allowed ...T) {
	if !v.given() {
		return
	}
	if _, null := v.node.(*ast.NullNode); null {
		v.bad("is empty; allowed are %v", allowed)
		return
	}
	v.str(dst)
	if *dst != "" && !slices.Contains(allowed, T(*dst)) {
		v.bad("%q is not one of %v", *dst, allowed)
	}
}
