//go:build spark

package transforms

import (
	"context"
	"errors"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/transform/expr"
)

// exprStep is where or derive of an expression made as a tree; one that has no
// column is where.
type exprStep struct {
	column string
	tree   *expr.Node
}

func (e exprStep) Declare() (etl.Declaration, error) {
	if e.column == "" {
		return etl.Declaration{Kind: "where", Options: map[string]any{"expr": e.tree.Map()}}, nil
	}
	return etl.Declaration{Kind: "derive", Options: map[string]any{"column": e.column, "expr": e.tree.Map()}}, nil
}

func (e exprStep) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	p, err := expr.Compile(e.tree)
	if err != nil || e.column == "" {
		return in, err
	}
	if in.HasField(e.column) {
		return nil, errors.New("two columns have one name")
	}
	f := arrow.Field{Name: e.column, Type: expr.ColumnType(p.Type()).Arrow(), Nullable: true}
	return arrow.NewSchema(append(slices.Clone(in.Fields()), f), nil), nil
}

func (e exprStep) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	p, err := expr.Compile(e.tree)
	if err != nil {
		return nil, err
	}
	if e.column == "" {
		rows, err := p.Rows(in)
		if err != nil {
			return nil, err
		}
		return cells.Take(memory.DefaultAllocator, in, rows)
	}
	col, err := p.Column(in)
	if err != nil {
		var re *etl.RowError
		if errors.As(err, &re) {
			re.Column = e.column
		}
		return nil, err
	}
	out, err := e.Schema(in.Schema())
	if err != nil {
		return nil, err
	}
	return array.NewRecordBatch(out, append(slices.Clone(in.Columns()), col), in.NumRows()), nil
}

func (m maker) expression(in *arrow.Schema) etl.Transformer {
	if m.IntN(3) == 0 {
		return exprStep{tree: m.tree(in, expr.Bool, 4)}
	}
	return exprStep{m.fresh(), m.tree(in, pick(m, exprTypes), 4)}
}

var exprTypes = []expr.Type{expr.Bool, expr.Int, expr.Double, expr.String, expr.Date, expr.Timestamp, expr.TimestampTZ}

var patterns = []string{`^a.*b$`, `[A-Z]{2}\d+`, `\s`, `[^\s\d]`, `\S{3}`, `[\S]+$`, `(?:1|x)\.?`, `\w+@`, `a{,3}`, `b$`, `.`, `^$`, `^*x|\W`, `[_a-]`}

// tree makes an expression of a type.
func (m maker) tree(in *arrow.Schema, of expr.Type, depth int) *expr.Node {
	if depth == 0 || m.IntN(6) == 0 {
		return m.leaf(in, of)
	}
	var fit []expr.Signature
	for _, s := range expr.Signatures() {
		if s.Result == of && (s.Op != "coalesce" || len(s.Args) == 2) {
			fit = append(fit, s)
		}
	}
	s := pick(m, fit)
	n := &expr.Node{Op: s.Op, Type: of}
	for i, t := range s.Args {
		switch {
		case s.Op == "matches" && i == 1:
			n.Args = append(n.Args, &expr.Node{Op: "literal", Type: expr.String, Value: pick(m, patterns)})
		case t == expr.Null:
			n.Args = append(n.Args, &expr.Node{Op: "literal", Type: expr.Null})
		default:
			n.Args = append(n.Args, m.tree(in, t, depth-1))
		}
	}
	return n
}

var literals = map[expr.Type][]string{
	expr.Bool: {"true", "false"}, expr.Int: {"0", "1", "-3", "5", "9223372036854775807", "1000000"}, expr.Double: {"0", "0.5", "-2", "1e+300"},
	expr.String: {"", "a", "é", "1", "-0", "Straße"}, expr.Date: {"0", "19782", "-1", "2147483647"},
	expr.Timestamp: {"0", "1708425000000000", "-1"}, expr.TimestampTZ: {"0", "1708425000000000", "-1"},
}

func (m maker) leaf(in *arrow.Schema, of expr.Type) *expr.Node {
	var found []string
	for _, f := range in.Fields() {
		typ, _ := etl.TypeOf(f.Type)
		if is, ok := expr.TypeOf(typ); ok && is == of && f.Name != "row" {
			found = append(found, f.Name)
		}
	}
	if len(found) == 0 || m.IntN(4) == 0 {
		return &expr.Node{Op: "literal", Type: of, Value: pick(m, literals[of])}
	}
	return &expr.Node{Op: "column", Type: of, Name: pick(m, found)}
}
