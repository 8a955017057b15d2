package config

import (
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
)

// table reads one table.
func table(v value, defaults formatSpec) etl.Table {
	before := len(v.d.problems)
	var t etl.Table
	o := v.object("a table with name, key and columns")
	o.need("name").str(&t.Name)
	tableMode(o, &t)
	o.get("order_by").strings(&t.OrderBy)
	o.get("old_key").strings(&t.OldKey)
	t.Columns = tableColumns(o.need("columns"), &t)
	t.Contract = contract(o.get("contract"))
	t.Op = opColumn(o.get("op"))
	if f := o.get("flag"); f.given() {
		f.str((*string)(&t.Flag))
	}
	if l := o.get("late"); l.given() {
		l.str((*string)(&t.Late))
	}
	t.Completion = completion(o.get("completion"))
	fullLoads(o, &t)
	o.get("settle").duration(&t.Settle)
	o.get("allow_empty").bool(&t.AllowEmpty)
	batch := o.get("batch").object("a mapping with files and bytes")
	batch.get("files").int(&t.MaxBatchFiles)
	batch.get("bytes").size(&t.MaxBatchBytes)
	batch.done()
	partition(o.get("partition"), &t.Partition)
	o.get("sort").strings(&t.Sort)
	tombstones(o.get("tombstones"), &t.TombstoneRetention)
	t.Properties = properties(o.get("properties"))
	t.Maintenance = maintenance(o.get("maintenance"))
	t.BadRows = badRows(o.get("bad_rows"))
	if tr := o.get("transforms"); tr.given() {
		t.Transforms = transforms(tr, t.Columns)
	}
	t.Format = formats(o, defaults).format()
	if c := o.get("checks"); c.given() {
		if t.Checks = checks(c); len(v.d.problems) == before {
			validChecks(c, t)
		}
	}
	o.done()
	if len(v.d.problems) == before {
		if err := t.Validate(); err != nil {
			v.d.fail(v.line, v.key, err)
		}
	}
	return t
}

// columns reads a mapping from names to types or details, or a list of columns.
func columns(v value, more ...columnReader) etl.Columns {
	var out etl.Columns
	switch v.node.(type) {
	case *ast.SequenceNode:
		for _, item := range v.list("") {
			out = append(out, listedColumn(item, more))
		}
	default:
		o := v.object("a mapping from names to types")
		for _, name := range o.names {
			out = append(out, namedColumn(name, o.fields[name], more...))
		}
	}
	return out
}

// listedColumn reads "ccn: string" or {name: ccn, type: string, ...}.
func listedColumn(v value, more []columnReader) etl.Column {
	o := v.object("a column such as ccn: string")
	if len(o.names) == 1 {
		return namedColumn(o.names[0], o.fields[o.names[0]], more...)
	}
	var c etl.Column
	o.need("name").str(&c.Name)
	details(o, &c, more)
	return c
}

func namedColumn(name string, v value, more ...columnReader) etl.Column {
	c := etl.Column{Name: name}
	switch v.node.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		details(v.object(""), &c, more)
	default:
		columnType(v, &c.Type)
	}
	return c
}

func details(o *object, c *etl.Column, more []columnReader) {
	columnType(o.need("type"), &c.Type)
	o.get("required").bool(&c.Required)
	o.get("format").str(&c.Format)
	o.get("zone").str(&c.Zone)
	o.get("sensitive").bool(&c.Sensitive)
	o.get("doc").str(&c.Doc)
	for _, read := range more {
		read(o, c)
	}
	o.done()
}

func columnType(v value, dst *etl.Type) {
	s, ok := v.text()
	if !ok {
		return
	}
	t, err := etl.ParseType(s)
	if err != nil {
		v.bad("%s", err)
	}
	*dst = t
}

// opColumn reads the name of the operation column, or {column: Op, codes: {I: upsert}}.
func opColumn(v value) (op etl.OpColumn) {
	if _, ok := v.node.(*ast.StringNode); ok {
		v.str(&op.Column)
		return op
	}
	o := v.object("the column's name, or a mapping with column and codes")
	o.need("column").str(&op.Column)
	if codes := o.get("codes"); codes.given() {
		op.Codes = map[string]etl.Op{}
		m := codes.object("a mapping from codes to upsert or delete")
		for _, code := range m.names {
			switch s, ok := m.fields[code].text(); {
			case !ok:
			case s == "upsert":
				op.Codes[code] = etl.Upsert
			case s == "delete":
				op.Codes[code] = etl.Delete
			default:
				m.fields[code].bad("%q is not upsert or delete", s)
			}
		}
	}
	o.done()
	return op
}

func completion(v value) (c etl.Completion) {
	o := v.object("one of quiet: 30s, files: 3, explicit: true and each_file: true")
	o.get("quiet").duration(&c.Quiet)
	o.get("files").int(&c.Files)
	o.get("explicit").bool(&c.Explicit)
	o.get("each_file").bool(&c.EachFile)
	o.done()
	return c
}

func partition(v value, dst *[]etl.PartitionField) {
	var fields []string
	v.strings(&fields)
	for _, s := range fields {
		f, err := etl.ParsePartition(s)
		if err != nil {
			hint := ""
			if strings.Contains(s, "(") && !strings.Contains(s, ")") {
				hint = " (in a list in brackets it needs quotes because of the comma)"
			}
			v.bad("%s%s", err, hint)
			continue
		}
		*dst = append(*dst, f)
	}
}

// tombstones reads a duration or "none".
func tombstones(v value, dst *time.Duration) {
	if n, ok := v.node.(*ast.StringNode); ok && n.Value == "none" {
		*dst = -1
		return
	}
	d := time.Duration(-1)
	if v.duration(&d); v.given() {
		*dst = d
	}
	if *dst == 0 && v.given() {
		*dst = -1
	}
}

func properties(v value) map[string]string {
	if !v.given() {
		return nil
	}
	out := map[string]string{}
	o := v.object("a mapping from names to texts")
	for _, name := range o.names {
		var s string
		o.fields[name].str(&s)
		out[name] = s
	}
	return out
}
