package awstest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// action changes item, which is a copy; old is the item before.
type action func(item, old dynamoItem) error

// update parses an update expression: SET with =, + and -, if_not_exists;
// REMOVE; ADD of numbers. See "Using update expressions in DynamoDB".
func (x *dynamoExpr) update(text string, s keySchema) (func(old dynamoItem) (dynamoItem, error), error) {
	if err := x.start(text); err != nil {
		return nil, err
	}
	var actions []action
	seen := map[string]bool{s.part: true, s.sort: true} // keys cannot be updated
	for x.peek() != "" {
		parse := map[string]func(name string) (action, error){
			"SET": x.set, "REMOVE": x.remove, "ADD": x.add,
		}[strings.ToUpper(x.next())]
		if parse == nil {
			return nil, validation("Invalid UpdateExpression: Syntax error; token: %q", x.tokens[x.at-1])
		}
		for {
			name, err := x.name()
			if err != nil {
				return nil, err
			}
			if seen[name] {
				return nil, validation("Invalid UpdateExpression: %s is a key, or two document paths overlap", name)
			}
			seen[name] = true
			a, err := parse(name)
			if err != nil {
				return nil, err
			}
			actions = append(actions, a)
			if x.peek() != "," {
				break
			}
			x.at++
		}
	}
	return func(old dynamoItem) (dynamoItem, error) {
		item := copyItem(old)
		for _, a := range actions {
			if err := a(item, old); err != nil {
				return nil, err
			}
		}
		return item, nil
	}, nil
}

func (x *dynamoExpr) remove(name string) (action, error) {
	return func(item, _ dynamoItem) error { delete(item, name); return nil }, nil
}

func (x *dynamoExpr) add(name string) (action, error) {
	v, err := x.value()
	return func(item, old dynamoItem) error {
		was := old[name]
		if was == nil {
			was = &types.AttributeValueMemberN{Value: "0"}
		}
		var err error
		item[name], err = arithmetic("+", was, v)
		return err
	}, err
}

func (x *dynamoExpr) set(name string) (action, error) {
	if err := x.expect("="); err != nil {
		return nil, err
	}
	left, err := x.setOperand()
	if err != nil {
		return nil, err
	}
	op := x.peek()
	if op != "+" && op != "-" {
		return func(item, old dynamoItem) error {
			v := left(old)
			if v == nil {
				return validation("The provided expression refers to an attribute that does not exist in the item")
			}
			item[name] = copyValue(v)
			return nil
		}, nil
	}
	x.at++
	right, err := x.setOperand()
	return func(item, old dynamoItem) error {
		v, err := arithmetic(op, left(old), right(old))
		item[name] = v
		return err
	}, err
}

func (x *dynamoExpr) setOperand() (operand, error) {
	if x.peek() != "if_not_exists" {
		return x.operand()
	}
	x.at++
	if err := x.expect("("); err != nil {
		return nil, err
	}
	name, err := x.name()
	if err != nil {
		return nil, err
	}
	if err := x.expect(","); err != nil {
		return nil, err
	}
	other, err := x.operand()
	if err != nil {
		return nil, err
	}
	return func(item dynamoItem) types.AttributeValue {
		if v := item[name]; v != nil {
			return v
		}
		return other(item)
	}, x.expect(")")
}

func arithmetic(op string, a, b types.AttributeValue) (types.AttributeValue, error) {
	x, xok := a.(*types.AttributeValueMemberN)
	y, yok := b.(*types.AttributeValueMemberN)
	if !xok || !yok {
		return nil, validation("An operand in the update expression has an incorrect data type")
	}
	p, _ := number(x.Value)
	q, _ := number(y.Value)
	if op == "-" {
		p.Sub(p, q)
	} else {
		p.Add(p, q)
	}
	text := p.RatString()
	if !p.IsInt() {
		text = strings.TrimRight(p.FloatString(38), "0")
	}
	if _, ok := number(text); !ok {
		return nil, validation("Number overflow. Attempting to store a number with magnitude larger than supported range")
	}
	return &types.AttributeValueMemberN{Value: text}, nil
}
