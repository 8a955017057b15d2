package celtransform

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/textconv"
	"github.com/tidemark-data/etl/transform/expr"
)

const maxExpression = 16 << 10

// operators are CEL's names of operations.
var operators = map[string]string{
	"and": "_&&_", "or": "_||_", "not": "!_", "if": "_?_:_", "add": "_+_", "sub": "_-_", "mul": "_*_", "div": "_/_",
	"mod": "_%_", "neg": "-_", "eq": "_==_", "ne": "_!=_", "lt": "_<_", "le": "_<=_", "gt": "_>_", "ge": "_>=_",
}

// written are the functions that write a literal of a type.
var written = map[string]expr.Type{"date": expr.Date, "datetime": expr.Timestamp, "timestamp": expr.TimestampTZ}

var celTypes = map[expr.Type]*cel.Type{
	expr.Bool: cel.BoolType, expr.Int: cel.IntType, expr.Double: cel.DoubleType, expr.String: cel.StringType,
	expr.Date: cel.OpaqueType("date"), expr.Timestamp: cel.OpaqueType("datetime"), expr.TimestampTZ: cel.TimestampType,
	expr.Null: cel.NullType,
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// compile parses an expression and types it against a schema.
func compile(text string, schema *arrow.Schema) (*expr.Program, error) {
	columns := map[string]expr.Type{}
	options := append(declarations(), cel.ClearMacros(), cel.ParserExpressionSizeLimit(maxExpression), cel.ParserRecursionLimit(100))
	for _, f := range schema.Fields() {
		typ, _ := etl.TypeOf(f.Type)
		if t, ok := expr.TypeOf(typ); ok && identifier.MatchString(f.Name) {
			columns[f.Name] = t
			options = append(options, cel.Variable(f.Name, celTypes[t]))
		}
	}
	env, err := cel.NewCustomEnv(options...)
	if err != nil {
		return nil, err
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, problems(issues, schema)
	}
	c := &converter{tree: checked.NativeRep(), columns: columns}
	root, err := c.node(c.tree.Expr())
	if err != nil {
		return nil, err
	}
	return expr.Compile(root)
}

// problems names the place of each mistake: line 1 unless the text has several.
func problems(issues *cel.Issues, schema *arrow.Schema) error {
	var out []string
	for _, e := range issues.Errors() {
		at := fmt.Sprintf("position %d", e.Location.Column()+1)
		if e.Location.Line() > 1 {
			at = fmt.Sprintf("line %d, ", e.Location.Line()) + at
		}
		message, _, _ := strings.Cut(e.Message, " (in container")
		for _, f := range schema.Fields() {
			if message == fmt.Sprintf("undeclared reference to '%s'", f.Name) {
				message = fmt.Sprintf("column %s has a type that expressions do not know: cast it first", f.Name)
			}
		}
		out = append(out, at+": "+message)
	}
	return errors.New(strings.Join(out, "; "))
}

// declarations are the functions and operators that there are.
func declarations() []cel.EnvOption {
	overloads := map[string][]cel.FunctionOpt{}
	declare := func(name string, result expr.Type, args []expr.Type) {
		id := name
		types := make([]*cel.Type, len(args))
		for i, a := range args {
			types[i] = celTypes[a]
			id += "_" + string(a)
		}
		overloads[name] = append(overloads[name], cel.Overload(id, types, celTypes[result]))
		if identifier.MatchString(name) && written[name] == "" {
			overloads[name] = append(overloads[name], cel.MemberOverload("member_"+id, types, celTypes[result]))
		}
	}
	for _, s := range expr.Signatures() {
		if name, ok := operators[s.Op]; ok {
			declare(name, s.Result, s.Args)
		} else if s.Op == "isnull" {
			for _, op := range []string{"_==_", "_!=_"} {
				declare(op, expr.Bool, []expr.Type{s.Args[0], expr.Null})
				declare(op, expr.Bool, []expr.Type{expr.Null, s.Args[0]})
			}
		} else {
			declare(s.Op, s.Result, s.Args)
		}
	}
	for name, t := range written {
		declare(name, t, []expr.Type{expr.String})
	}
	var out []cel.EnvOption
	for name, o := range overloads {
		out = append(out, cel.Function(name, o...))
	}
	return out
}

// converter makes an expression of CEL's tree.
type converter struct {
	tree    *ast.AST
	columns map[string]expr.Type
}

func (c *converter) bad(e ast.Expr, format string, args ...any) error {
	start := c.tree.SourceInfo().GetStartLocation(e.ID())
	return fmt.Errorf("position %d: "+format, append([]any{start.Column() + 1}, args...)...)
}

func (c *converter) node(e ast.Expr) (*expr.Node, error) {
	switch e.Kind() {
	case ast.IdentKind:
		if t, ok := c.columns[e.AsIdent()]; ok {
			return &expr.Node{Op: "column", Type: t, Name: e.AsIdent()}, nil
		}
		return nil, c.bad(e, "no column %s", e.AsIdent())
	case ast.LiteralKind:
		return c.literal(e, e.AsLiteral())
	case ast.CallKind:
		return c.call(e)
	}
	return nil, c.bad(e, "lists, maps and fields are not supported")
}

func (c *converter) literal(e ast.Expr, v ref.Val) (*expr.Node, error) {
	lit := func(t expr.Type, value string) (*expr.Node, error) {
		return &expr.Node{Op: "literal", Type: t, Value: value}, nil
	}
	switch v := v.(type) {
	case types.Bool:
		return lit(expr.Bool, strconv.FormatBool(bool(v)))
	case types.Int:
		return lit(expr.Int, strconv.FormatInt(int64(v), 10))
	case types.Double:
		return lit(expr.Double, strconv.FormatFloat(float64(v), 'g', -1, 64))
	case types.String:
		return lit(expr.String, string(v))
	case types.Null:
		return lit(expr.Null, "")
	}
	return nil, c.bad(e, "literals of this type are not supported")
}

func (c *converter) call(e ast.Expr) (*expr.Node, error) {
	call := e.AsCall()
	exprs := call.Args()
	if call.IsMemberFunction() {
		exprs = append([]ast.Expr{call.Target()}, exprs...)
	}
	n := &expr.Node{Op: call.FunctionName()}
	for op, name := range operators {
		if name == n.Op {
			n.Op = op
		}
	}
	var argTypes []expr.Type
	for _, a := range exprs {
		arg, err := c.node(a)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, arg)
		argTypes = append(argTypes, arg.Type)
	}
	if t, ok := written[n.Op]; ok && len(argTypes) == 1 && argTypes[0] == expr.String {
		return c.writtenLiteral(e, t, n.Args[0])
	}
	if (n.Op == "eq" || n.Op == "ne") && (argTypes[0] == expr.Null) != (argTypes[1] == expr.Null) {
		return nullTest(n), nil
	}
	s, ok := expr.Find(n.Op, argTypes)
	if !ok {
		return nil, c.bad(e, "no %s of %v", n.Op, argTypes)
	}
	n.Type = s.Result
	return n, nil
}

// nullTest makes isnull of a comparison with null.
func nullTest(n *expr.Node) *expr.Node {
	arg := n.Args[0]
	if arg.Type == expr.Null {
		arg = n.Args[1]
	}
	test := &expr.Node{Op: "isnull", Type: expr.Bool, Args: []*expr.Node{arg}}
	if n.Op == "ne" {
		test = &expr.Node{Op: "not", Type: expr.Bool, Args: []*expr.Node{test}}
	}
	return test
}

// writtenLiteral reads a date or time as files are read.
func (c *converter) writtenLiteral(e ast.Expr, t expr.Type, text *expr.Node) (*expr.Node, error) {
	if text.Op != "literal" {
		return nil, c.bad(e, "takes a text in quotes; cast columns of text first")
	}
	b, err := textconv.New(etl.Column{Type: expr.ColumnType(t)})
	if err != nil {
		return nil, err
	}
	if rule := b.Append([]byte(text.Value)); rule != "" {
		return nil, c.bad(e, "%s", rule)
	}
	col := b.NewArray()
	defer col.Release()
	n := &expr.Node{Op: "literal", Type: t}
	switch a := col.(type) {
	case interface{ Value(int) arrow.Date32 }:
		n.Value = strconv.FormatInt(int64(a.Value(0)), 10)
	case interface{ Value(int) arrow.Timestamp }:
		n.Value = strconv.FormatInt(int64(a.Value(0)), 10)
	}
	return n, nil
}
