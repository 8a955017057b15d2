package config

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform"
	"github.com/tidemark-data/etl/transform/celtransform"
	"github.com/tidemark-data/etl/transform/nfctransform"
)

// transformReaders read the transforms by the names that the file has for them.
func transformReaders() map[string]func(value) etl.Transformer {
	return map[string]func(value) etl.Transformer{
		"rename": func(v value) etl.Transformer {
			return transform.Rename(v.texts("a mapping from old names to new ones"))
		},
		"select":    func(v value) etl.Transformer { return transform.Select(v.names()...) },
		"drop":      func(v value) etl.Transformer { return transform.Drop(v.names()...) },
		"reorder":   func(v value) etl.Transformer { return transform.Reorder(v.names()...) },
		"trim":      func(v value) etl.Transformer { return transform.Trim(v.names()...) },
		"nfc":       func(v value) etl.Transformer { return nfctransform.NFC(v.names()...) },
		"default":   func(v value) etl.Transformer { return transform.Default(v.texts("a mapping from columns to texts")) },
		"cast":      castTransform,
		"normalize": normalizeTransform,
		"constant":  constantTransform,
		"derive":    deriveTransform,
		"where":     whereTransform,
		"mask":      maskTransform,
		"tokenize":  tokenizeTransform,
		"hash":      hashTransform,
		"lookup":    lookupTransform,
		"json":      jsonTransform,
		"flatten":   flattenTransform,
	}
}

// Transforms reads a list of transforms by itself, as a table has it under
// transforms, for a table of the columns. Problems of its content are [Problems].
func Transforms(name string, data []byte, columns etl.Columns) ([]etl.Transformer, error) {
	d := &decoder{file: name}
	root, ok := d.parse(data)
	if !ok {
		return nil, d.err()
	}
	out := transforms(d.value(root, "", 1), columns)
	return out, d.err()
}

// transforms reads a list of mappings of one key, which names the transform, and
// checks each against the columns that the ones before it make.
func transforms(v value, columns etl.Columns) []etl.Transformer {
	readers := transformReaders()
	var out []etl.Transformer
	schema := columns.Schema()
	for _, item := range v.list("a list of transforms") {
		o := item.object("a transform such as drop: [column]")
		name, read, ok := named(o, "transform", readers)
		if !ok {
			continue
		}
		before := len(v.d.problems)
		t := read(o.fields[name])
		out = append(out, t)
		if len(v.d.problems) > before || schema == nil {
			schema = nil // what the next ones are given is not known
			continue
		}
		var err error
		if schema, err = t.Schema(schema); err != nil {
			o.fields[name].bad("%s", err)
			schema = nil
		}
	}
	return out
}

// named returns the only key of a mapping, which names what is declared, and its
// reader; what says in problems what that is.
func named[R any](o *object, what string, readers map[string]R) (name string, read R, ok bool) {
	if len(o.names) != 1 {
		if len(o.names) > 1 {
			o.bad("has %d keys; each %s is an item of its own", len(o.names), what)
		}
		return "", read, false
	}
	name = o.names[0]
	if read, ok = readers[name]; !ok {
		o.fields[name].bad("unknown %s; known are %s", what, strings.Join(sortedNames(readers), ", "))
	}
	return name, read, ok
}

// beside makes a relative path relative to the folder of the file.
func (d *decoder) beside(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(d.file), filepath.FromSlash(path))
}

func sortedNames[V any](m map[string]V) []string {
	var out []string
	for name := range m {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// names reads one name or a list of them; none are a problem.
func (v value) names() []string {
	var out []string
	v.strings(&out)
	if len(out) == 0 {
		v.bad("names no columns")
	}
	return out
}

// texts reads a mapping from names to texts.
func (v value) texts(what string) map[string]string {
	out := map[string]string{}
	o := v.object(what)
	for _, name := range o.names {
		if s, ok := o.fields[name].text(); ok {
			out[name] = s
		}
	}
	if len(out) == 0 {
		v.bad("is empty; %s is expected", what)
	}
	return out
}

// castTransform reads {a: long, b: {type: date, format: 2006-01-02}}.
func castTransform(v value) etl.Transformer {
	to := map[string]transform.CastTo{}
	o := v.object("a mapping from columns to types")
	for _, name := range o.names {
		c := namedColumn(name, o.fields[name])
		to[name] = transform.CastTo{Type: c.Type, Format: c.Format, Zone: c.Zone}
	}
	return transform.Cast(to)
}

func normalizeTransform(v value) etl.Transformer {
	var n transform.Normal
	o := v.object("a mapping with columns, trim, collapse, case and empty_to_null")
	names := o.need("columns").names()
	o.get("trim").bool(&n.Trim)
	o.get("collapse").bool(&n.Collapse)
	given(o.get("case"), (*string)(&n.Case))
	o.get("empty_to_null").bool(&n.EmptyToNull)
	o.done()
	return transform.Normalize(n, names...)
}

func constantTransform(v value) etl.Transformer {
	var column, text string
	var typ etl.Type
	o := v.object("a mapping with column, type and value")
	o.need("column").str(&column)
	columnType(o.need("type"), &typ)
	o.need("value").str(&text)
	o.done()
	return transform.Constant(column, typ, text)
}

func deriveTransform(v value) etl.Transformer {
	var column, text string
	o := v.object("a mapping with column and expr")
	o.need("column").str(&column)
	o.need("expr").str(&text)
	o.done()
	return celtransform.Derive(column, text)
}

func whereTransform(v value) etl.Transformer {
	var text string
	v.str(&text)
	return celtransform.Where(text)
}

func maskTransform(v value) etl.Transformer {
	var column string
	var rule transform.MaskRule
	o := v.object("a mapping with column and one of keep_last, fixed and format")
	o.need("column").str(&column)
	o.get("keep_last").int(&rule.KeepLast)
	given(o.get("fixed"), &rule.Fixed)
	o.get("format").bool(&rule.Format)
	o.done()
	return transform.Mask(column, rule)
}

// tokenizeTransform reads where the key is, never the key itself.
func tokenizeTransform(v value) etl.Transformer {
	var t transform.Tokens
	var key string
	o := v.object("a mapping with column, domain and key")
	o.need("column").str(&t.Column)
	given(o.get("domain"), &t.Domain)
	given(o.get("key_id"), &t.KeyID)
	given(o.get("encoding"), &t.Encoding)
	given(o.get("key_id_column"), &t.KeyIDColumn)
	k := o.need("key")
	k.str(&key)
	switch kind, at, _ := strings.Cut(key, ":"); {
	case kind == "env" && at != "":
		t.Keys = transform.EnvKey(at, t.KeyID)
	case kind == "file" && at != "":
		t.Keys = transform.FileKey(v.d.beside(at), t.KeyID)
	case k.given():
		k.bad("is not env:NAME or file:PATH (the key itself has no place here)")
	}
	o.done()
	return transform.Tokenize(t)
}

func hashTransform(v value) etl.Transformer {
	var column string
	o := v.object("a mapping with column and of")
	o.need("column").str(&column)
	of := o.need("of").names()
	o.done()
	return transform.HashJoin(column, of...)
}

func lookupTransform(v value) etl.Transformer {
	var l transform.LookupOptions
	o := v.object("a mapping with file or table, columns, on, take and miss")
	l.Source = lookupSource(v, o)
	on := o.need("on").object("a mapping from columns of the table to columns of the source")
	for _, name := range on.names {
		p := transform.LookupOn{Column: name}
		on.fields[name].str(&p.Source)
		l.On = append(l.On, p)
	}
	defaults := map[string]string{}
	if d := o.get("defaults"); d.given() {
		defaults = d.texts("a mapping from columns to texts")
	}
	take := o.need("take").object("a mapping from columns of the table to columns of the source")
	for _, name := range take.names {
		t := transform.LookupTake{As: name, Default: defaults[name]}
		take.fields[name].str(&t.Source)
		l.Take = append(l.Take, t)
	}
	given(o.get("miss"), (*string)(&l.Miss))
	o.get("refresh").duration(&l.Refresh)
	o.done()
	return transform.Lookup(l)
}

// lookupSource reads which file, or which other table, rows are looked up in.
func lookupSource(v value, o *object) transform.LookupSource {
	var path, table string
	file, other := o.get("file"), o.get("table")
	given(file, &path)
	given(other, &table)
	cols := columns(o.need("columns"))
	switch {
	case file.given() && other.given():
		other.bad("file and table are given: a lookup has one source")
	case other.given():
		return transform.LookupTable{Tables: v.d.lake, Name: table, Cols: cols}
	case !file.given():
		o.need("file")
	}
	return transform.LookupCSV{Path: v.d.beside(path), Cols: cols}
}

func jsonTransform(v value) etl.Transformer {
	var column string
	o := v.object("a mapping with column and fields")
	o.need("column").str(&column)
	fields := jsonFields(o.need("fields"))
	o.done()
	return transform.ParseJSON(column, fields...)
}

func flattenTransform(v value) etl.Transformer {
	var column string
	separator := "_"
	o := v.object("a mapping with column, fields and separator")
	o.need("column").str(&column)
	given(o.get("separator"), &separator)
	fields := jsonFields(o.need("fields"))
	o.done()
	return transform.Flatten(column, separator, fields...)
}

// jsonFields reads {path: type} or {path: {type: ..., as: ..., format: ..., zone: ...}}.
func jsonFields(v value) []transform.JSONField {
	var out []transform.JSONField
	o := v.object("a mapping from paths to types")
	for _, path := range o.names {
		f := transform.JSONField{Path: path}
		item := o.fields[path]
		switch item.node.(type) {
		case *ast.MappingNode, *ast.MappingValueNode:
			m := item.object("")
			columnType(m.need("type"), &f.Type)
			given(m.get("as"), &f.Name)
			given(m.get("format"), &f.Format)
			given(m.get("zone"), &f.Zone)
			m.done()
		default:
			columnType(item, &f.Type)
		}
		out = append(out, f)
	}
	return out
}

// given reads a text that may be left out.
func given(v value, dst *string) {
	if v.given() {
		v.str(dst)
	}
}
