package awstest

import (
	"bytes"
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Limits of the service, in bytes, see "Quotas in Amazon DynamoDB".
const (
	maxItemBytes         = 400 << 10
	maxPartitionKeyBytes = 2048
	maxSortKeyBytes      = 1024
	maxPageBytes         = 1 << 20
	maxTransactionBytes  = 4 << 20
	maxBatchReadBytes    = 16 << 20
	maxExpressionBytes   = 4 << 10
	maxTransactionItems  = 100
	maxBatchWriteItems   = 25
	maxBatchReadItems    = 100
)

type dynamoItem = map[string]types.AttributeValue

func copyItem(item dynamoItem) dynamoItem {
	if item == nil {
		return nil
	}
	out := make(dynamoItem, len(item))
	for name, v := range item {
		out[name] = copyValue(v)
	}
	return out
}

func copyValue(v types.AttributeValue) types.AttributeValue {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return &types.AttributeValueMemberS{Value: v.Value}
	case *types.AttributeValueMemberN:
		return &types.AttributeValueMemberN{Value: v.Value}
	case *types.AttributeValueMemberB:
		return &types.AttributeValueMemberB{Value: append([]byte{}, v.Value...)}
	case *types.AttributeValueMemberBOOL:
		return &types.AttributeValueMemberBOOL{Value: v.Value}
	case *types.AttributeValueMemberNULL:
		return &types.AttributeValueMemberNULL{Value: v.Value}
	case *types.AttributeValueMemberSS:
		return &types.AttributeValueMemberSS{Value: slices.Clone(v.Value)}
	case *types.AttributeValueMemberL:
		out := make([]types.AttributeValue, len(v.Value))
		for i := range v.Value {
			out[i] = copyValue(v.Value[i])
		}
		return &types.AttributeValueMemberL{Value: out}
	case *types.AttributeValueMemberM:
		return &types.AttributeValueMemberM{Value: copyItem(v.Value)}
	}
	return v
}

// valueType returns the service's name of the type; "" for those that the fake
// does not know.
func valueType(v types.AttributeValue) string {
	switch v.(type) {
	case *types.AttributeValueMemberS:
		return "S"
	case *types.AttributeValueMemberN:
		return "N"
	case *types.AttributeValueMemberB:
		return "B"
	case *types.AttributeValueMemberBOOL:
		return "BOOL"
	case *types.AttributeValueMemberNULL:
		return "NULL"
	case *types.AttributeValueMemberSS:
		return "SS"
	case *types.AttributeValueMemberL:
		return "L"
	case *types.AttributeValueMemberM:
		return "M"
	}
	return ""
}

// checkValue refuses what the service refuses, and types that the fake lacks.
func checkValue(v types.AttributeValue) error {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		if !utf8.ValidString(v.Value) {
			return validation("Invalid UTF-8 string")
		}
	case *types.AttributeValueMemberN:
		if _, ok := number(v.Value); !ok {
			return validation("The parameter cannot be converted to a numeric value")
		}
	case *types.AttributeValueMemberSS:
		if len(v.Value) == 0 || len(slices.Compact(slices.Sorted(slices.Values(v.Value)))) != len(v.Value) {
			return validation("An string set may not be empty or hold duplicates")
		}
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			if err := checkValue(e); err != nil {
				return err
			}
		}
	case *types.AttributeValueMemberM:
		for _, e := range v.Value {
			if err := checkValue(e); err != nil {
				return err
			}
		}
	default:
		if valueType(v) == "" {
			return validation("awstest: attribute values of type %T are not supported", v)
		}
	}
	return nil
}

// number parses what the service takes for a number: up to 38 digits.
func number(s string) (*big.Rat, bool) {
	digits := strings.Trim(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s), "0")
	if len(digits) > 38 || len(s) > 130 || strings.ContainsAny(s, "/_xXpP") {
		return nil, false
	}
	return new(big.Rat).SetString(s)
}

// sizeOf is the size of an item by the rules of "Item sizes and formats".
func sizeOf(item dynamoItem) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)/2 + 1
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		n := 0
		for _, s := range v.Value {
			n += len(s)
		}
		return n
	case *types.AttributeValueMemberL:
		n := 3
		for _, e := range v.Value {
			n += 1 + valueSize(e)
		}
		return n
	case *types.AttributeValueMemberM:
		return 3 + len(v.Value) + sizeOf(v.Value)
	}
	return 1
}

// compareValues orders two values of the same type; false where the service
// does not order them.
func compareValues(a, b types.AttributeValue) (int, bool) {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		if b, ok := b.(*types.AttributeValueMemberS); ok {
			return strings.Compare(a.Value, b.Value), true
		}
	case *types.AttributeValueMemberB:
		if b, ok := b.(*types.AttributeValueMemberB); ok {
			return bytes.Compare(a.Value, b.Value), true
		}
	case *types.AttributeValueMemberN:
		if b, ok := b.(*types.AttributeValueMemberN); ok {
			x, xok := number(a.Value)
			y, yok := number(b.Value)
			return x.Cmp(y), xok && yok
		}
	}
	return 0, false
}

func equalValues(a, b types.AttributeValue) bool {
	if c, ok := compareValues(a, b); ok {
		return c == 0
	}
	switch a := a.(type) {
	case *types.AttributeValueMemberBOOL:
		b, ok := b.(*types.AttributeValueMemberBOOL)
		return ok && a.Value == b.Value
	case *types.AttributeValueMemberNULL:
		_, ok := b.(*types.AttributeValueMemberNULL)
		return ok
	case *types.AttributeValueMemberSS:
		b, ok := b.(*types.AttributeValueMemberSS)
		return ok && slices.Equal(slices.Sorted(slices.Values(a.Value)), slices.Sorted(slices.Values(b.Value)))
	case *types.AttributeValueMemberL:
		b, ok := b.(*types.AttributeValueMemberL)
		return ok && slices.EqualFunc(a.Value, b.Value, equalValues)
	case *types.AttributeValueMemberM:
		b, ok := b.(*types.AttributeValueMemberM)
		return ok && maps.EqualFunc(a.Value, b.Value, equalValues)
	}
	return false
}

// keyBytes is a key attribute as bytes, which are ordered as the keys are;
// numbers are not supported as keys.
func keyBytes(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberB:
		return string(v.Value)
	}
	return ""
}

func compareKeys(a, b dynamoKey) int {
	return cmp.Or(strings.Compare(a.sort, b.sort), strings.Compare(a.tie, b.tie))
}
