package awstest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// dynamoExpr parses the expressions of one request. It counts which of the
// placeholders are used, because the service refuses those that are not.
type dynamoExpr struct {
	names  map[string]string
	values map[string]types.AttributeValue
	used   map[string]bool

	tokens []string
	at     int
}

func newExpr(names map[string]string, values map[string]types.AttributeValue) (*dynamoExpr, error) {
	for p, v := range values {
		if err := checkValue(v); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(p, ":") {
			return nil, validation("ExpressionAttributeValues contains invalid key: %q", p)
		}
	}
	for p := range names {
		if !strings.HasPrefix(p, "#") {
			return nil, validation("ExpressionAttributeNames contains invalid key: %q", p)
		}
	}
	return &dynamoExpr{names: names, values: values, used: map[string]bool{}}, nil
}

// finish reports placeholders that no expression has used.
func (x *dynamoExpr) finish() error {
	for p := range x.names {
		if !x.used[p] {
			return validation("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", p)
		}
	}
	for p := range x.values {
		if !x.used[p] {
			return validation("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", p)
		}
	}
	return nil
}

// start splits an expression into its tokens.
func (x *dynamoExpr) start(text string) error {
	if len(text) > maxExpressionBytes {
		return validation("Expression size has exceeded the maximum allowed size")
	}
	x.tokens, x.at = nil, 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case wordByte(c):
			j := i + 1
			for j < len(text) && wordByte(text[j]) {
				j++
			}
			x.tokens = append(x.tokens, text[i:j])
			i = j
		case i+1 < len(text) && (text[i:i+2] == "<>" || text[i:i+2] == "<=" || text[i:i+2] == ">="):
			x.tokens = append(x.tokens, text[i:i+2])
			i += 2
		case strings.IndexByte("()=<>,+-", c) >= 0:
			x.tokens = append(x.tokens, text[i:i+1])
			i++
		default:
			return validation("Invalid expression: Syntax error; token: %q", string(rune(c)))
		}
	}
	if len(x.tokens) == 0 {
		return validation("Invalid expression: The expression can not be empty")
	}
	return nil
}

func wordByte(c byte) bool {
	return c == '#' || c == ':' || c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// peek returns the next token, "" at the end.
func (x *dynamoExpr) peek() string {
	if x.at < len(x.tokens) {
		return x.tokens[x.at]
	}
	return ""
}

func (x *dynamoExpr) next() string {
	t := x.peek()
	x.at++
	return t
}

// keyword takes the next token if it is that word, in any case.
func (x *dynamoExpr) keyword(word string) bool {
	if strings.EqualFold(x.peek(), word) {
		x.at++
		return true
	}
	return false
}

func (x *dynamoExpr) expect(token string) error {
	if t := x.next(); t != token {
		return validation("Invalid expression: Syntax error; token: %q, expected %q", t, token)
	}
	return nil
}

func (x *dynamoExpr) end() error {
	if t := x.peek(); t != "" {
		return validation("Invalid expression: Syntax error; token: %q", t)
	}
	return nil
}

// name takes an attribute name, which must be a placeholder.
func (x *dynamoExpr) name() (string, error) {
	t := x.next()
	if !strings.HasPrefix(t, "#") {
		return "", validation("awstest: %q: attribute names must be placeholders (#name) of top-level attributes", t)
	}
	name, ok := x.names[t]
	if !ok {
		return "", validation("Invalid expression: An expression attribute name used in the document path is not defined; attribute name: %s", t)
	}
	x.used[t] = true
	return name, nil
}

// value takes a value placeholder.
func (x *dynamoExpr) value() (types.AttributeValue, error) {
	t := x.next()
	v, ok := x.values[t]
	if !ok {
		return nil, validation("Invalid expression: An expression attribute value used in expression is not defined; attribute value: %s", t)
	}
	x.used[t] = true
	return v, nil
}
