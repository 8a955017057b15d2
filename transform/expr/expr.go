// Package expr evaluates typed expressions over the columns of Arrow batches.
//
// An expression is a tree of [Node]: columns, literals and operations, each with
// its type. It is what other engines are given, so every operation is specified
// here, and none depends on a locale, a clock, a place or an order of rows. How
// people write expressions is the matter of packages that make such trees
// (transform/celtransform).
//
// # Nulls and errors
//
// Unless said otherwise the result is an error where an argument is one (of the
// first argument that is), else null where an argument is null. "and" is false
// where one side is false, whatever the other is; else an error, null or true.
// "or" likewise with true. "if" takes its third argument where the condition is
// false or null, and the argument not taken does not matter. "coalesce" is its
// first argument that is not null; those behind it do not matter. "isnull" is
// never null. An error in the result makes the row bad.
//
// # Types
//
// bool, int (64 bits; int and long columns), double (float and double columns;
// floats are widened), string, date, timestamp, timestamptz (microseconds).
//
// # Operations
//
//   - add, sub, mul, neg of int: beyond 64 bits "integer overflow". div
//     truncates towards zero, mod has the sign of the dividend; "division by
//     zero", and "integer overflow" for the least int by -1
//   - add, sub, mul, div, neg of double: IEEE 754; a result that is infinite or
//     NaN is "not a finite number"
//   - add of strings: one behind the other
//   - eq, ne, lt, le, gt, ge of two values of a type (bool: eq and ne only):
//     strings by code points, doubles as IEEE 754 has it
//   - size: number of characters (code points). substring(s, from) and
//     substring(s, from, to): the characters from up to but not including to,
//     counted from 0; positions are moved to the nearest that exists, and what
//     ends before it begins is empty
//   - contains, startsWith, endsWith: of the second string in the first
//   - lower, upper, trim: as transform.Normal has it
//   - matches(s, pattern): whether the pattern, a literal, is found anywhere in s
//     ([CheckPattern])
//   - year, month (1 to 12), day of date, timestamp and timestamptz; hour, minute,
//     second of the latter two; by UTC
//   - date of timestamp and timestamptz: the day, by UTC
//   - addSeconds(t, int) and secondsBetween(t, u), t less u, towards zero;
//     addDays(date, int), daysBetween(d, e), d less e; "integer overflow"
//   - int of double: towards zero, beyond 64 bits or NaN "out of range"; of string:
//     digits with or without "-", else "not an int" or "out of range"
//   - double of int: the nearest, ties to even
//   - string of any type: the canonical text (transform.Cast to string)
package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Type is the type of a [Node].
type Type string

// The types. Null is that of the literal null only.
const (
	Bool        Type = "bool"
	Int         Type = "int"
	Double      Type = "double"
	String      Type = "string"
	Date        Type = "date"
	Timestamp   Type = "timestamp"
	TimestampTZ Type = "timestamptz"
	Null        Type = "null"
)

// Node is an expression.
type Node struct {
	// Op is "column", "literal" or an operation.
	Op   string
	Type Type
	// Name is that of the column.
	Name string
	// Value is that of a literal: true or false; digits; the canonical text of a
	// double; a string; days since 1970-01-01; microseconds since its start, UTC.
	Value string
	Args  []*Node
}

// Map returns the expression as JSON can hold it: op, type and, where they apply,
// name, value and args.
func (n *Node) Map() map[string]any {
	m := map[string]any{"op": n.Op, "type": string(n.Type)}
	switch n.Op {
	case "column":
		m["name"] = n.Name
	case "literal":
		if n.Type != Null {
			m["value"] = n.Value
		}
	default:
		args := make([]any, len(n.Args))
		for i, a := range n.Args {
			args[i] = a.Map()
		}
		m["args"] = args
	}
	return m
}

// Program is an expression that was checked. It is safe for concurrent use.
type Program struct {
	root    *Node
	lits    map[*Node]any
	regexps map[*Node]*regexp.Regexp
}

const maxNesting = 200

// Compile checks an expression.
func Compile(root *Node) (*Program, error) {
	p := &Program{root: root, lits: map[*Node]any{}, regexps: map[*Node]*regexp.Regexp{}}
	if root.Type == Null {
		return nil, errors.New("the expression is always null")
	}
	return p, p.check(root, 0)
}

// Type is that of the results.
func (p *Program) Type() Type { return p.root.Type }

// Node is the expression. It must not be changed.
func (p *Program) Node() *Node { return p.root }

func (p *Program) check(n *Node, depth int) error {
	if depth > maxNesting {
		return errors.New("expression is nested too deep")
	}
	switch n.Op {
	case "column":
		return nil
	case "literal":
		v, err := literal(n)
		p.lits[n] = v
		return err
	}
	types := make([]Type, len(n.Args))
	for i, a := range n.Args {
		if err := p.check(a, depth+1); err != nil {
			return err
		}
		types[i] = a.Type
	}
	s, ok := Find(n.Op, types)
	if !ok || s.Result != n.Type {
		return fmt.Errorf("no operation %s of %v is a %s", n.Op, types, n.Type)
	}
	if n.Op != "matches" {
		return nil
	}
	if n.Args[1].Op != "literal" {
		return errors.New("the pattern of matches is not a literal")
	}
	re, err := CheckPattern(n.Args[1].Value)
	p.regexps[n] = re
	return err
}

func literal(n *Node) (v any, err error) {
	switch n.Type {
	case Bool:
		v, err = strconv.ParseBool(n.Value)
	case Int, Date, Timestamp, TimestampTZ:
		v, err = strconv.ParseInt(n.Value, 10, 64)
	case Double:
		v, err = strconv.ParseFloat(n.Value, 64)
	case String:
		v = n.Value
	case Null:
	default:
		err = errors.New("unknown type")
	}
	if err != nil {
		return nil, fmt.Errorf("a literal is not a %s", n.Type)
	}
	return v, nil
}

// Signature is an operation on arguments of given types.
type Signature struct {
	Op     string
	Args   []Type
	Result Type
}

// All are the types of columns.
var all = []Type{Bool, Int, Double, String, Date, Timestamp, TimestampTZ}

// Signatures are all that there is.
func Signatures() []Signature {
	var out []Signature
	add := func(op string, result Type, args ...Type) { out = append(out, Signature{op, args, result}) }
	for _, op := range []string{"and", "or"} {
		add(op, Bool, Bool, Bool)
	}
	add("not", Bool, Bool)
	for _, op := range []string{"add", "sub", "mul", "div"} {
		add(op, Int, Int, Int)
		add(op, Double, Double, Double)
	}
	add("mod", Int, Int, Int)
	add("add", String, String, String)
	add("neg", Int, Int)
	add("neg", Double, Double)
	for _, t := range all {
		addGeneric(add, t)
	}
	addText(add)
	addTime(add)
	return out
}

func addGeneric(add func(string, Type, ...Type), t Type) {
	add("eq", Bool, t, t)
	add("ne", Bool, t, t)
	if t != Bool {
		for _, op := range []string{"lt", "le", "gt", "ge"} {
			add(op, Bool, t, t)
		}
	}
	add("isnull", Bool, t)
	add("if", t, Bool, t, t)
	add("if", t, Bool, t, Null)
	add("if", t, Bool, Null, t)
	for n := 2; n <= 6; n++ {
		add("coalesce", t, slices.Repeat([]Type{t}, n)...)
	}
	add("string", String, t)
}

func addText(add func(string, Type, ...Type)) {
	add("size", Int, String)
	for _, op := range []string{"contains", "startsWith", "endsWith", "matches"} {
		add(op, Bool, String, String)
	}
	for _, op := range []string{"lower", "upper", "trim"} {
		add(op, String, String)
	}
	add("substring", String, String, Int)
	add("substring", String, String, Int, Int)
	add("int", Int, Double)
	add("int", Int, String)
	add("double", Double, Int)
}

func addTime(add func(string, Type, ...Type)) {
	for _, t := range []Type{Date, Timestamp, TimestampTZ} {
		for _, op := range []string{"year", "month", "day"} {
			add(op, Int, t)
		}
	}
	for _, t := range []Type{Timestamp, TimestampTZ} {
		for _, op := range []string{"hour", "minute", "second"} {
			add(op, Int, t)
		}
		add("date", Date, t)
		add("addSeconds", t, t, Int)
		add("secondsBetween", Int, t, t)
	}
	add("addDays", Date, Date, Int)
	add("daysBetween", Int, Date, Date)
}

// index is made once: signatures by operation and types.
var index = func() map[string]Signature {
	m := map[string]Signature{}
	for _, s := range Signatures() {
		m[fmt.Sprint(s.Op, s.Args)] = s
	}
	return m
}()

// Find returns the operation on arguments of the types.
func Find(op string, args []Type) (Signature, bool) {
	s, ok := index[fmt.Sprint(op, args)]
	return s, ok
}
