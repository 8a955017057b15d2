package expr

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// Column returns the results for the rows of a batch as a column of the type
// [ColumnType]. An error in one is an [etl.RowError] without a column.
func (p *Program) Column(rec arrow.RecordBatch) (arrow.Array, error) {
	v, err := p.eval(p.root, rec)
	if err != nil {
		return nil, err
	}
	if p.root.Op == "column" { // the buffers are those of the batch
		v.longs, v.doubles = slices.Clone(v.longs), slices.Clone(v.doubles)
	}
	return v.array()
}

// Rows returns the rows for which a bool expression is true.
func (p *Program) Rows(rec arrow.RecordBatch) ([]int, error) {
	if p.root.Type != Bool {
		return nil, fmt.Errorf("the expression is a %s, not a bool", p.root.Type)
	}
	v, err := p.eval(p.root, rec)
	if err == nil {
		err = v.firstBad()
	}
	if err != nil {
		return nil, err
	}
	rows := make([]int, 0, v.n)
	for i, yes := range v.bools {
		if yes && !v.isNull(i) {
			rows = append(rows, i)
		}
	}
	return rows, nil
}

func (p *Program) eval(n *Node, rec arrow.RecordBatch) (*vector, error) {
	switch n.Op {
	case "column":
		return load(n.Name, n.Type, rec)
	case "literal":
		return broadcast(n.Type, p.lits[n], int(rec.NumRows())), nil
	}
	args := make([]*vector, len(n.Args))
	for i, a := range n.Args {
		if n.Op == "matches" && i == 1 {
			continue
		}
		v, err := p.eval(a, rec)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if n.Op == "matches" {
		re := p.regexps[n]
		return mapTo(args[0], Bool, func(out *vector, i int) { out.bools[i] = re.MatchString(args[0].texts[i]) }), nil
	}
	return call(n.Op, n.Type, args)
}

func broadcast(t Type, value any, n int) *vector {
	v := newVector(t, n)
	switch x := value.(type) {
	case bool:
		fill(v.bools, x)
	case int64:
		fill(v.longs, x)
	case float64:
		fill(v.doubles, x)
	case string:
		fill(v.texts, x)
	}
	return v
}

func fill[T any](s []T, x T) {
	for i := range s {
		s[i] = x
	}
}

// mapTo calls f for the rows that have a value in a.
func mapTo(a *vector, t Type, f func(out *vector, i int)) *vector {
	out := result(t, a)
	for i := range out.n {
		if !out.void(i) {
			f(out, i)
		}
	}
	return out
}

func call(op string, t Type, args []*vector) (*vector, error) {
	switch op {
	case "and", "or":
		return logic(args[0], args[1], op == "or"), nil
	case "not":
		return mapTo(args[0], Bool, func(out *vector, i int) { out.bools[i] = !args[0].bools[i] }), nil
	case "isnull":
		return isNull(args[0]), nil
	case "if":
		return choose(t, args[0], args[1], args[2]), nil
	case "coalesce":
		return coalesce(t, args), nil
	case "eq", "ne", "lt", "le", "gt", "ge":
		return compare(op, args[0], args[1]), nil
	case "add", "sub", "mul", "div", "mod", "neg":
		return arithmetic(op, t, args), nil
	}
	if f, ok := functions[op]; ok {
		out := result(t, args...)
		for i := range out.n {
			if !out.void(i) {
				f(out, args, i)
			}
		}
		return out, nil
	}
	return nil, fmt.Errorf("no operation %s", op)
}

// logic is "and", or with decisive true "or": the side that decides wins over
// errors and nulls of the other.
func logic(a, b *vector, decisive bool) *vector {
	out := newVector(Bool, a.n)
	decides := func(v *vector, i int) bool { return v.bools[i] == decisive && !v.void(i) }
	for i := range out.n {
		switch {
		case decides(a, i) || decides(b, i):
			out.bools[i] = decisive
		case a.badAt(i) != 0:
			out.fail(i, a.bad[i])
		case b.badAt(i) != 0:
			out.fail(i, b.bad[i])
		case a.isNull(i) || b.isNull(i):
			out.null(i)
		default:
			out.bools[i] = !decisive
		}
	}
	return out
}

func isNull(a *vector) *vector {
	out := newVector(Bool, a.n)
	for i := range out.n {
		if r := a.badAt(i); r != 0 {
			out.fail(i, r)
		} else {
			out.bools[i] = a.isNull(i)
		}
	}
	return out
}

func choose(t Type, cond, then, otherwise *vector) *vector {
	out := newVector(t, cond.n)
	for i := range out.n {
		switch {
		case cond.badAt(i) != 0:
			out.fail(i, cond.bad[i])
		case cond.bools[i] && !cond.isNull(i):
			out.set(i, then)
		default:
			out.set(i, otherwise)
		}
	}
	return out
}

func coalesce(t Type, args []*vector) *vector {
	out := newVector(t, args[0].n)
	for i := range out.n {
		from := args[len(args)-1]
		for _, a := range args {
			if a.badAt(i) != 0 || !a.isNull(i) {
				from = a
				break
			}
		}
		out.set(i, from)
	}
	return out
}

func compare(op string, a, b *vector) *vector {
	out := result(Bool, a, b)
	switch a.typ {
	case Bool:
		for i := range out.bools {
			out.bools[i] = (a.bools[i] == b.bools[i]) == (op == "eq")
		}
	case Double:
		compareAll(op, a.doubles, b.doubles, out.bools)
	case String:
		compareAll(op, a.texts, b.texts, out.bools)
	default:
		compareAll(op, a.longs, b.longs, out.bools)
	}
	return out
}

func compareAll[T cmp.Ordered](op string, a, b []T, out []bool) {
	b = b[:len(a)]
	switch op {
	case "eq":
		for i := range out {
			out[i] = a[i] == b[i]
		}
	case "ne":
		for i := range out {
			out[i] = a[i] != b[i]
		}
	case "lt":
		for i := range out {
			out[i] = a[i] < b[i]
		}
	case "le":
		for i := range out {
			out[i] = a[i] <= b[i]
		}
	case "gt":
		for i := range out {
			out[i] = a[i] > b[i]
		}
	case "ge":
		for i := range out {
			out[i] = a[i] >= b[i]
		}
	}
}
