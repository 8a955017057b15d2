package awstest

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// condition tells whether an item, nil if there is none, meets it.
type condition func(item dynamoItem) bool

// operand is a value that depends on the item; nil where it has none.
type operand func(item dynamoItem) types.AttributeValue

// condition parses a condition or filter expression, by the grammar of
// "Condition and filter expressions, operators, and functions".
func (x *dynamoExpr) condition(text string) (condition, error) {
	if err := x.start(text); err != nil {
		return nil, err
	}
	c, err := x.or()
	if err != nil {
		return nil, err
	}
	return c, x.end()
}

func (x *dynamoExpr) or() (condition, error) {
	left, err := x.and()
	for err == nil && x.keyword("OR") {
		var right condition
		a := left
		if right, err = x.and(); err == nil {
			left = func(item dynamoItem) bool { return a(item) || right(item) }
		}
	}
	return left, err
}

func (x *dynamoExpr) and() (condition, error) {
	left, err := x.not()
	for err == nil && x.keyword("AND") {
		var right condition
		a := left
		if right, err = x.not(); err == nil {
			left = func(item dynamoItem) bool { return a(item) && right(item) }
		}
	}
	return left, err
}

func (x *dynamoExpr) not() (condition, error) {
	if x.keyword("NOT") {
		c, err := x.not()
		return func(item dynamoItem) bool { return !c(item) }, err
	}
	if x.peek() == "(" {
		x.at++
		c, err := x.or()
		if err != nil {
			return nil, err
		}
		return c, x.expect(")")
	}
	if c, ok, err := x.predicate(); ok || err != nil {
		return c, err
	}
	return x.comparison()
}

// predicate parses the functions that are conditions by themselves.
func (x *dynamoExpr) predicate() (c condition, ok bool, err error) {
	function := x.peek()
	switch function {
	case "attribute_exists", "attribute_not_exists", "begins_with", "contains", "attribute_type":
	default:
		return nil, false, nil
	}
	x.at++
	if err := x.expect("("); err != nil {
		return nil, true, err
	}
	name, err := x.name()
	if err != nil {
		return nil, true, err
	}
	if strings.HasPrefix(function, "attribute_") && function != "attribute_type" {
		want := function == "attribute_exists"
		return func(item dynamoItem) bool { _, has := item[name]; return has == want }, true, x.expect(")")
	}
	if err := x.expect(","); err != nil {
		return nil, true, err
	}
	arg, err := x.operand()
	if err != nil {
		return nil, true, err
	}
	test := map[string]func(a, b types.AttributeValue) bool{
		"begins_with": beginsWith, "contains": contains,
		"attribute_type": func(a, b types.AttributeValue) bool {
			s, ok := b.(*types.AttributeValueMemberS)
			return ok && a != nil && valueType(a) == s.Value
		},
	}[function]
	return func(item dynamoItem) bool { return test(item[name], arg(item)) }, true, x.expect(")")
}

func beginsWith(a, b types.AttributeValue) bool {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		b, ok := b.(*types.AttributeValueMemberS)
		return ok && strings.HasPrefix(a.Value, b.Value)
	case *types.AttributeValueMemberB:
		b, ok := b.(*types.AttributeValueMemberB)
		return ok && bytes.HasPrefix(a.Value, b.Value)
	}
	return false
}

func contains(a, b types.AttributeValue) bool {
	s, isString := b.(*types.AttributeValueMemberS)
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		return isString && strings.Contains(a.Value, s.Value)
	case *types.AttributeValueMemberSS:
		for _, e := range a.Value {
			if isString && e == s.Value {
				return true
			}
		}
	case *types.AttributeValueMemberL:
		for _, e := range a.Value {
			if b != nil && equalValues(e, b) {
				return true
			}
		}
	}
	return false
}

// comparison parses "a = b", "a BETWEEN b AND c" and "a IN (b, ...)".
func (x *dynamoExpr) comparison() (condition, error) {
	left, err := x.operand()
	if err != nil {
		return nil, err
	}
	switch op := strings.ToUpper(x.next()); op {
	case "=", "<>", "<", "<=", ">", ">=":
		right, err := x.operand()
		return func(item dynamoItem) bool { return compare(op, left(item), right(item)) }, err
	case "BETWEEN":
		low, err := x.operand()
		if err != nil {
			return nil, err
		}
		if !x.keyword("AND") {
			return nil, validation("Invalid expression: Syntax error; BETWEEN without AND")
		}
		high, err := x.operand()
		return func(item dynamoItem) bool {
			return compare(">=", left(item), low(item)) && compare("<=", left(item), high(item))
		}, err
	case "IN":
		return x.in(left)
	default:
		return nil, validation("Invalid expression: Syntax error; token: %q", op)
	}
}

func (x *dynamoExpr) in(left operand) (condition, error) {
	if err := x.expect("("); err != nil {
		return nil, err
	}
	var list []operand
	for {
		o, err := x.operand()
		if err != nil {
			return nil, err
		}
		list = append(list, o)
		if x.peek() != "," {
			break
		}
		x.at++
	}
	return func(item dynamoItem) bool {
		for _, o := range list {
			if compare("=", left(item), o(item)) {
				return true
			}
		}
		return false
	}, x.expect(")")
}

// compare is false where a side is missing, but for "<>".
func compare(op string, a, b types.AttributeValue) bool {
	if op == "=" || op == "<>" {
		return (a != nil && b != nil && equalValues(a, b)) == (op == "=")
	}
	if a == nil || b == nil {
		return false
	}
	c, ok := compareValues(a, b)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	default:
		return c >= 0
	}
}

// operand parses a name, a value or size(name).
func (x *dynamoExpr) operand() (operand, error) {
	t := x.peek()
	if strings.HasPrefix(t, ":") {
		v, err := x.value()
		return func(dynamoItem) types.AttributeValue { return v }, err
	}
	if t != "size" {
		name, err := x.name()
		return func(item dynamoItem) types.AttributeValue { return item[name] }, err
	}
	x.at++
	if err := x.expect("("); err != nil {
		return nil, err
	}
	name, err := x.name()
	if err != nil {
		return nil, err
	}
	return func(item dynamoItem) types.AttributeValue {
		switch v := item[name].(type) {
		case *types.AttributeValueMemberS, *types.AttributeValueMemberB:
			return &types.AttributeValueMemberN{Value: strconv.Itoa(valueSize(v))}
		}
		return nil
	}, x.expect(")")
}
