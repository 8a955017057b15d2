package config

import (
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// value is a node of the file with its place. The node is nil where the file
// says nothing.
type value struct {
	d    *decoder
	node ast.Node
	key  string
	line int
}

func (v value) given() bool { return v.node != nil }

func (v value) bad(format string, args ...any) { v.d.add(v.line, v.key, format, args...) }

// wants reports a value of the wrong type. It is true where there is no value.
func (v value) wants(what string) {
	switch v.node.(type) {
	case nil:
	case *ast.NullNode:
		v.bad("has no value; %s is expected", what)
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode:
		v.bad("anchors, aliases and tags are not supported")
	case *ast.MappingNode, *ast.MappingValueNode:
		v.bad("is a mapping; %s is expected", what)
	case *ast.SequenceNode:
		v.bad("is a list; %s is expected", what)
	case *ast.StringNode, *ast.LiteralNode:
		v.bad("is text; %s is expected", what)
	case *ast.BoolNode:
		v.bad("is true or false; %s is expected (text like this needs quotes)", what)
	default:
		v.bad("is a number; %s is expected (text like this needs quotes)", what)
	}
}

func (v value) text() (string, bool) {
	switch n := v.node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		if n.Value != nil {
			return n.Value.Value, true
		}
	}
	v.wants("text")
	return "", false
}

func (v value) str(dst *string) {
	if s, ok := v.text(); ok {
		*dst = s
	}
}

func (v value) bool(dst *bool) {
	if n, ok := v.node.(*ast.BoolNode); ok {
		*dst = n.Value
		return
	}
	v.wants("true or false")
}

func (v value) int(dst *int) {
	var n int64
	if v.int64(&n) {
		*dst = int(n)
	}
}

func (v value) int64(dst *int64) bool {
	n, ok := v.node.(*ast.IntegerNode)
	if !ok {
		v.wants("a whole number")
		return false
	}
	switch i := n.Value.(type) {
	case int64:
		*dst = i
	case uint64:
		if i > 1<<62 {
			v.bad("is too large")
			return false
		}
		*dst = int64(i)
	default:
		v.bad("is too large")
		return false
	}
	if *dst < 0 {
		v.bad("must not be negative")
		return false
	}
	return true
}

// duration reads what package time reads, and days as "7d".
func (v value) duration(dst *time.Duration) {
	const what = "a duration such as 500ms, 30s, 5m or 7d"
	if !v.isText(what) {
		return
	}
	s, _ := v.text()
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok && err != nil {
		var n int
		if n, err = strconv.Atoi(days); err == nil && n > 36500 {
			v.bad("is too long")
			return
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	switch {
	case err != nil:
		v.bad("%q is not %s", s, what)
	case d < 0:
		v.bad("must not be negative")
	default:
		*dst = d
	}
}

var units = []struct {
	suffix string
	factor int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// size reads a number of bytes: 1048576, 256MiB, 1GB.
func (v value) size(dst *int64) {
	const what = "a size such as 64MiB or 1GB"
	if _, ok := v.node.(*ast.IntegerNode); ok {
		v.int64(dst)
		return
	}
	if !v.isText(what) {
		return
	}
	s, _ := v.text()
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 {
			break
		}
		if n > (1<<62)/u.factor {
			v.bad("is too large")
			return
		}
		*dst = n * u.factor
		return
	}
	v.bad("%q is not %s", s, what)
}

func (v value) isText(what string) bool {
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		return true
	}
	v.wants(what)
	return false
}

// strings reads a list of texts, or one text as a list of one.
func (v value) strings(dst *[]string) {
	switch v.node.(type) {
	case *ast.StringNode, *ast.LiteralNode:
		s, _ := v.text()
		*dst = []string{s}
		return
	}
	out := []string{}
	for _, item := range v.list("a list of texts") {
		if s, ok := item.text(); ok {
			out = append(out, s)
		}
	}
	if v.given() {
		*dst = out
	}
}

func (v value) list(what string) []value {
	n, ok := v.node.(*ast.SequenceNode)
	if !ok {
		v.wants(what)
		return nil
	}
	out := make([]value, 0, len(n.Values))
	for i, item := range n.Values {
		out = append(out, v.d.value(item, v.key+"["+strconv.Itoa(i)+"]", v.line))
	}
	return out
}

func (d *decoder) value(n ast.Node, key string, line int) value {
	return value{d: d, node: n, key: key, line: lineOf(n, line)}
}

func lineOf(n ast.Node, otherwise int) int {
	if n == nil {
		return otherwise
	}
	if m, ok := n.(*ast.MappingNode); ok && len(m.Values) > 0 && m.Values[0].Key != nil {
		n = m.Values[0].Key
	}
	if m, ok := n.(*ast.MappingValueNode); ok && m.Key != nil {
		n = m.Key
	}
	if t := n.GetToken(); t != nil && t.Position != nil && t.Position.Line > 0 {
		return t.Position.Line
	}
	return otherwise
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
