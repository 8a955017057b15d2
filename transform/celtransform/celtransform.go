// Package celtransform has the transforms that are written as expressions: which
// rows to keep ([Where]) and columns made of others ([Derive]).
//
// Expressions are written in the syntax of CEL, the Common Expression Language
// (github.com/google/cel-spec, doc/langdef.md), and typed against the columns
// before any row is read. They have no loops, no input and no output, and always
// come to an end. What operations there are and what they do, with nulls too, is
// said in package [github.com/tidemark-data/etl/transform/expr], and differs from
// CEL's own library:
//
//   - && || ! ?: and or not if
//   - == != < <= > >= compare; x == null and x != null test for null, every other
//     comparison with a null is null
//   - + - * / % and - in front calculate; int and double do not mix: double(n) * 1.5
//   - size(s), s.contains(t), s.startsWith(t), s.endsWith(t), s.matches("pattern"),
//     lower(s), upper(s), trim(s), substring(s, from, to)
//   - coalesce(x, y, ...) of up to 6
//   - int(x), double(x), string(x)
//   - date("2024-02-20"), datetime("2024-02-20T10:00:00") and
//     timestamp("2024-02-20T10:00:00Z") write a date, timestamp and timestamptz
//   - year(t), month(t), day(t), hour(t), minute(t), second(t), date(t),
//     addSeconds(t, n), secondsBetween(t, u), addDays(d, n), daysBetween(d, e)
//
// Functions of one or more arguments may be written behind the first: s.size().
// Columns whose names are no identifiers, and columns of type decimal, binary and
// uuid, cannot be used: rename or cast them first.
package celtransform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/cells"
	"github.com/tidemark-data/etl/transform/expr"
)

// Where keeps the rows for which the expression, a bool, is true. A row for which
// it is false or null leaves the table, if it was in it. Declare can be called
// once the schema was checked.
func Where(expression string) etl.Transformer {
	return &where{compiler{kind: "where", text: expression}}
}

// Derive adds a column behind the others: a bool, long (of an int), double,
// string, date, timestamp or timestamptz. Declare can be called once the schema
// was checked.
func Derive(column, expression string) etl.Transformer {
	return &derive{compiler{kind: "derive", text: expression}, column}
}

// compiler keeps what was compiled for a schema.
type compiler struct {
	kind, text string

	mu   sync.Mutex
	made []compiled
}

type compiled struct {
	schema  *arrow.Schema
	program *expr.Program
}

// maxSchemas bounds what is kept, should a transform meet ever new schemas.
const maxSchemas = 64

func (c *compiler) program(schema *arrow.Schema) (*expr.Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.made {
		if m.schema == schema || m.schema.Equal(schema) {
			return m.program, nil
		}
	}
	p, err := compile(c.text, schema)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.kind, err)
	}
	if len(c.made) == maxSchemas {
		c.made = c.made[1:]
	}
	c.made = append(c.made, compiled{schema, p})
	return p, nil
}

// declare returns the expression as it was typed last.
func (c *compiler) declare() (map[string]any, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.made) == 0 {
		return nil, errors.New("the expression was not yet typed against a schema")
	}
	return c.made[len(c.made)-1].program.Node().Map(), nil
}

type where struct{ compiler }

var (
	_ etl.Transformer = (*where)(nil)
	_ etl.Declarer    = (*where)(nil)
)

// Declare implements [etl.Declarer].
func (w *where) Declare() (etl.Declaration, error) {
	tree, err := w.declare()
	return etl.Declaration{Kind: "where", Options: map[string]any{"text": w.text, "expr": tree}}, err
}

// Schema implements [etl.Transformer].
func (w *where) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	p, err := w.program(in)
	if err == nil && p.Type() != expr.Bool {
		err = fmt.Errorf("where: the expression is a %s, not a bool", p.Type())
	}
	return in, err
}

// Transform implements [etl.Transformer].
func (w *where) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	p, err := w.program(in.Schema())
	if err != nil {
		return nil, err
	}
	rows, err := p.Rows(in)
	if err != nil {
		return nil, err
	}
	if len(rows) == int(in.NumRows()) {
		in.Retain()
		return in, nil
	}
	return cells.Take(memory.DefaultAllocator, in, rows)
}

type derive struct {
	compiler
	column string
}

var (
	_ etl.Transformer = (*derive)(nil)
	_ etl.Declarer    = (*derive)(nil)
)

// Declare implements [etl.Declarer].
func (d *derive) Declare() (etl.Declaration, error) {
	tree, err := d.declare()
	return etl.Declaration{Kind: "derive", Options: map[string]any{"column": d.column, "text": d.text, "expr": tree}}, err
}

// Schema implements [etl.Transformer].
func (d *derive) Schema(in *arrow.Schema) (*arrow.Schema, error) {
	p, err := d.program(in)
	if err != nil {
		return nil, err
	}
	if d.column == "" || in.HasField(d.column) {
		return nil, fmt.Errorf("derive: column %q has no name of its own", d.column)
	}
	f := arrow.Field{Name: d.column, Type: expr.ColumnType(p.Type()).Arrow(), Nullable: true}
	return arrow.NewSchema(append(slices.Clone(in.Fields()), f), nil), nil
}

// Transform implements [etl.Transformer].
func (d *derive) Transform(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	out, err := d.Schema(in.Schema())
	if err != nil {
		return nil, err
	}
	p, err := d.program(in.Schema())
	if err != nil {
		return nil, err
	}
	col, err := p.Column(in)
	if err != nil {
		var re *etl.RowError
		if errors.As(err, &re) {
			re.Column = d.column
		}
		return nil, err
	}
	defer col.Release()
	return array.NewRecordBatch(out, append(slices.Clone(in.Columns()), col), in.NumRows()), nil
}
