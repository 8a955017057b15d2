package deploy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/stretchr/testify/require"
)

// template is a CloudFormation template. Its functions, short or long, are
// mappings of one entry such as {"Fn::Sub": ...} in it.
type template struct {
	t    *testing.T
	root map[string]any
}

func readTemplate(t *testing.T, name string) template {
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	file, err := parser.ParseBytes(data, 0)
	require.NoError(t, err)
	require.Len(t, file.Docs, 1)
	root, ok := value(t, file.Docs[0].Body).(map[string]any)
	require.True(t, ok)
	return template{t, root}
}

func value(t *testing.T, n ast.Node) any {
	switch n := n.(type) {
	case *ast.MappingNode:
		return mapping(t, n.Values)
	case *ast.MappingValueNode:
		return mapping(t, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		list := make([]any, len(n.Values))
		for i, v := range n.Values {
			list[i] = value(t, v)
		}
		return list
	case *ast.TagNode:
		return function(strings.TrimPrefix(n.Start.Value, "!"), value(t, n.Value))
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.StringNode:
		return n.Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		require.Fail(t, "CloudFormation takes no aliases", n.String())
	case ast.ScalarNode:
		return n.GetValue()
	}
	require.Fail(t, "unexpected YAML", n.String())
	return nil
}

func mapping(t *testing.T, values []*ast.MappingValueNode) map[string]any {
	m := map[string]any{}
	for _, v := range values {
		key, ok := v.Key.(*ast.StringNode)
		require.True(t, ok, v.String())
		require.NotContains(t, m, key.Value)
		m[key.Value] = value(t, v.Value)
	}
	return m
}

func function(name string, arg any) map[string]any {
	switch name {
	case "Ref", "Condition":
		return map[string]any{name: arg}
	case "GetAtt":
		if text, ok := arg.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			arg = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + name: arg}
}

type noValue struct{}

// resolve makes text of references, as "${Queue.Arn}", and chooses by conditions.
func (p template) resolve(v any, on func(condition string) bool) any {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			if e = p.resolve(e, on); e != (noValue{}) {
				out = append(out, e)
			}
		}
		return out
	case map[string]any:
		if r, ok := p.call(v, on); ok {
			return r
		}
		out := map[string]any{}
		for k, e := range v {
			if e = p.resolve(e, on); !isNoValue(e) {
				out[k] = e
			}
		}
		return out
	}
	return v
}

func isNoValue(v any) bool { _, ok := v.(noValue); return ok }

// call resolves a mapping that is a function.
func (p template) call(m map[string]any, on func(string) bool) (any, bool) {
	if len(m) != 1 {
		return nil, false
	}
	for name, arg := range m {
		list, _ := arg.([]any)
		switch name {
		case "Ref":
			if arg == "AWS::NoValue" {
				return noValue{}, true
			}
			return "${" + arg.(string) + "}", true
		case "Fn::Sub":
			return arg, true
		case "Fn::GetAtt":
			return "${" + list[0].(string) + "." + list[1].(string) + "}", true
		case "Fn::If":
			if on(list[0].(string)) {
				return p.resolve(list[1], on), true
			}
			return p.resolve(list[2], on), true
		}
	}
	return nil, false
}

func all(string) bool  { return true }
func none(string) bool { return false }

func (p template) section(name string) map[string]any {
	m, ok := p.root[name].(map[string]any)
	require.True(p.t, ok, name)
	return m
}

// resources returns the properties of the resources of a type, resolved.
func (p template) resources(kind string, on func(string) bool) map[string]map[string]any {
	out := map[string]map[string]any{}
	for name, r := range p.section("Resources") {
		if r := r.(map[string]any); r["Type"] == kind {
			out[name] = p.resolve(r["Properties"], on).(map[string]any)
		}
	}
	return out
}

// defaultOf returns the default of a parameter.
func (p template) defaultOf(parameter string) any {
	return p.section("Parameters")[parameter].(map[string]any)["Default"]
}

// texts returns a text or a list of texts as a list.
func texts(v any) []string {
	if s, ok := v.(string); ok {
		return []string{s}
	}
	var out []string
	for _, e := range v.([]any) {
		out = append(out, e.(string))
	}
	return out
}

// statements returns those of a policy document.
func statements(properties map[string]any) []map[string]any {
	var out []map[string]any
	for _, s := range properties["PolicyDocument"].(map[string]any)["Statement"].([]any) {
		out = append(out, s.(map[string]any))
	}
	return out
}
