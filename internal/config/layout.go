package config

import (
	"errors"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
)

// layout reads dms or patterns, and overrides.
func layout(v value) etl.Layout {
	o := v.object("a mapping with dms or patterns")
	dms, patterns := o.get("dms"), o.get("patterns")
	var base etl.Layout
	switch {
	case dms.given() && patterns.given():
		patterns.bad("a layout has dms or patterns, not both")
	case dms.given():
		base = dmsLayout(dms)
	case patterns.given():
		base = patternLayout(patterns)
	case v.given():
		v.bad("dms or patterns is missing")
	}
	if over := o.get("overrides"); over.given() {
		base = format.Override{Files: overrides(over), Layout: base}
	}
	o.done()
	return base
}

func dmsLayout(v value) etl.Layout {
	var l format.DMS
	o := v.object("a mapping with folders, or {}")
	o.get("folders").int(&l.Folders)
	o.get("lower_case").bool(&l.LowerCase)
	o.get("cdc_path").str(&l.CdcPath)
	o.done()
	return l
}

func patternLayout(v value) etl.Layout {
	items := v.list("a list of rules")
	rules := make([]format.Rule, len(items))
	for i, item := range items {
		r, before := &rules[i], len(item.d.problems)
		o := item.object("a rule with match, table and kind")
		o.need("match").str(&r.Match)
		o.get("mixed").bool(&r.Mixed)
		if !r.Mixed {
			o.need("table").str(&r.Table)
		}
		kind(o.need("kind"), &r.Kind)
		o.get("order").str(&r.Order)
		as := "text"
		if s := o.get("order_as"); s.given() {
			s.str(&as)
			orderAs(s, as, &r.OrderAs)
		}
		o.done()
		if _, err := format.NewPattern(*r); err != nil && len(item.d.problems) == before {
			item.d.fail(item.line, item.key, oneRule(err))
		}
	}
	if len(items) == 0 {
		if _, ok := v.node.(*ast.SequenceNode); ok {
			v.bad("no rules")
		}
		return nil
	}
	p, err := format.NewPattern(rules...)
	if err != nil {
		return nil // each rule was reported
	}
	return p
}

// oneRule takes the count of the rule off, which is always 1 here.
func oneRule(err error) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok && len(many.Unwrap()) == 1 {
		err = many.Unwrap()[0]
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

func orderAs(v value, s string, dst *format.OrderAs) {
	switch s {
	case "text":
		*dst = format.OrderText
	case "decimal":
		*dst = format.OrderDecimal
	case "hex":
		*dst = format.OrderHex
	default:
		v.bad("%q is not text, decimal or hex", s)
	}
}

func kind(v value, dst *etl.LoadKind) {
	s, ok := v.text()
	if !ok {
		return
	}
	switch s {
	case "full":
		*dst = etl.Full
	case "incremental":
		*dst = etl.Incremental
	default:
		v.bad("%q is not full or incremental", s)
	}
}

func overrides(v value) map[string]etl.Placement {
	out := map[string]etl.Placement{}
	all := v.object("a mapping from locations to placements")
	for _, location := range all.names {
		var p etl.Placement
		var ignore bool
		o := all.fields[location].object("a placement with table, kind and order, or ignore: true")
		if ig := o.get("ignore"); ig.given() {
			ig.bool(&ignore)
		}
		if !ignore {
			o.get("mixed").bool(&p.Mixed)
			if !p.Mixed {
				o.need("table").str(&p.Table)
			}
			kind(o.need("kind"), &p.Kind)
			o.get("order").str(&p.Order)
		}
		o.done()
		out[location] = p
	}
	return out
}
