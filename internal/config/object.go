package config

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// object is a mapping whose keys are taken out one by one.
type object struct {
	value
	names  []string
	fields map[string]value
	known  []string
}

// object returns the mapping; an empty one after a problem.
func (v value) object(what string) *object {
	o := &object{value: v, fields: map[string]value{}}
	var pairs []*ast.MappingValueNode
	switch n := v.node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		v.wants(what)
		return o
	}
	for _, pair := range pairs {
		o.field(pair)
	}
	return o
}

func (o *object) field(pair *ast.MappingValueNode) {
	if pair == nil || pair.Key == nil {
		return
	}
	line := lineOf(pair.Key, o.line)
	var name string
	switch k := pair.Key.(type) {
	case *ast.StringNode:
		name = k.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		if t := pair.Key.GetToken(); t != nil {
			name = t.Value
		}
	default:
		o.d.add(line, o.key, "keys are plain texts; anchors, aliases, tags and merges are not supported")
		return
	}
	if first, dup := o.fields[name]; dup {
		o.d.add(line, join(o.key, name), "is there twice, first in line %d", first.line)
		return
	}
	v := o.d.value(pair.Value, join(o.key, name), line)
	v.line = line
	o.fields[name] = v
	o.names = append(o.names, name)
}

// get takes a field out. A field that is not there has no node.
func (o *object) get(name string) value {
	o.known = append(o.known, name)
	if v, ok := o.fields[name]; ok {
		return v
	}
	return value{d: o.d, key: join(o.key, name), line: o.line}
}

// need is get for a field that must be there.
func (o *object) need(name string) value {
	v := o.get(name)
	if !v.given() && o.given() {
		o.bad("%s is missing", name)
	}
	return v
}

// done reports the keys that nobody asked for.
func (o *object) done() {
	for _, name := range o.names {
		if !slices.Contains(o.known, name) {
			slices.Sort(o.known)
			o.fields[name].bad("unknown key; known are %s", strings.Join(slices.Compact(o.known), ", "))
		}
	}
}
