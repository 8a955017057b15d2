package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/transform/expr"
)

// Complete holds where at least share (0 to 1) of the rows have a value in the
// column. With a share of 1 it refuses the rows that have none.
func Complete(column string, share float64) etl.Check {
	span := etl.SpanLoad
	if share == 1 {
		span = etl.SpanRow
	}
	made := check{named("complete", column), span, func(target etl.Target) (start, error) {
		at, _, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if !(share >= 0 && share <= 1) {
			return nil, errors.New("the share lies between 0 and 1")
		}
		if share == 1 {
			return refusing(column, "have no value", func(b arrow.RecordBatch) ([]int, error) { return nulls(b.Column(at)), nil }), nil
		}
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			var seen, empty int64
			return &whole{
				look: func(b arrow.RecordBatch) error {
					seen += b.NumRows()
					empty += int64(b.Column(at).NullN())
					return nil
				},
				verdict: func(etl.Counts) etl.Verdict {
					return etl.Verdict{
						OK: float64(seen-empty) >= share*float64(seen), Column: column,
						Finding: fmt.Sprintf("%d of %d rows have no value, a share of at least %g must have one", empty, seen, share),
					}
				},
			}, nil
		}, nil
	}}
	return declared{made, "complete", fixed(options{"column": column, "share": share})}
}

func nulls(col arrow.Array) []int {
	if col.NullN() == 0 {
		return nil
	}
	bad := make([]int, 0, col.NullN())
	for row := range col.Len() {
		if col.IsNull(row) {
			bad = append(bad, row)
		}
	}
	return bad
}

// Range holds where the values of the column lie between least and most, both
// inclusive, and refuses the rows of others. They are written as the column's values
// are in files; empty is no limit. Text compares by bytes; NaN is above every number.
func Range(column, least, most string) etl.Check {
	made := check{named("range", column), etl.SpanRow, func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		var low, high []byte
		if least != "" {
			low, err = literal(col, least)
		}
		if most != "" && err == nil {
			high, err = literal(col, most)
		}
		switch {
		case err != nil:
			return nil, err
		case low == nil && high == nil:
			return nil, errors.New("it has neither a least nor a greatest value")
		case low != nil && high != nil && bytes.Compare(low, high) > 0:
			return nil, errors.New("no value lies between its limits")
		}
		return refusing(column, "are outside the range", func(b arrow.RecordBatch) ([]int, error) {
			return each(b, []int{at}, func(value []byte) bool {
				return (low == nil || bytes.Compare(value, low) >= 0) && (high == nil || bytes.Compare(value, high) <= 0)
			})
		}), nil
	}}
	return declared{made, "range", func(_ context.Context, scope etl.CheckScope) (options, error) {
		out := options{"column": column}
		for name, text := range map[string]string{"least": least, "most": most} {
			if text == "" {
				continue
			}
			value, err := encoded(scope.Target, column, text)
			if err != nil {
				return nil, err
			}
			out[name] = value
		}
		return out, nil
	}}
}

// Allowed holds where the column has one of the values, and refuses the rows of
// others. They are written as the column's values are in files.
func Allowed(column string, values ...string) etl.Check {
	made := check{named("allowed", column), etl.SpanRow, func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if len(values) == 0 {
			return nil, errors.New("it allows no value")
		}
		set := make(map[string]bool, len(values))
		for _, v := range values {
			b, err := literal(col, v)
			if err != nil {
				return nil, err
			}
			set[string(b)] = true
		}
		return refusing(column, "have a value that is not allowed", func(b arrow.RecordBatch) ([]int, error) {
			return each(b, []int{at}, func(value []byte) bool { return set[string(value)] })
		}), nil
	}}
	return declared{made, "allowed", func(_ context.Context, scope etl.CheckScope) (options, error) {
		set := make([][]byte, len(values))
		for i, text := range values {
			var err error
			if set[i], err = encoded(scope.Target, column, text); err != nil {
				return nil, err
			}
		}
		return options{"column": column, "values": set}, nil
	}}
}

// Pattern holds where the texts of the column match the regular expression (package
// regexp) from their first to their last letter, and refuses the rows of others. Other
// engines make the check if it is one that [expr.CheckPattern] takes; else it runs in
// Go only.
func Pattern(column, pattern string) etl.Check {
	made := check{named("pattern", column), etl.SpanRow, func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if col.Type != etl.String {
			return nil, fmt.Errorf("column %s is of type %v, patterns are for text", column, col.Type)
		}
		if _, err := regexp.Compile(pattern); err != nil { // by itself: it may not close our group
			return nil, err
		}
		re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
		if err != nil {
			return nil, err
		}
		return refusing(column, "do not match the pattern", func(b arrow.RecordBatch) ([]int, error) {
			text, ok := b.Column(at).(*array.String)
			if !ok {
				return nil, fmt.Errorf("column %s is not text", column)
			}
			var bad []int
			for row := range text.Len() {
				if text.IsValid(row) && !re.MatchString(text.Value(row)) {
					bad = append(bad, row)
				}
			}
			return bad, nil
		}), nil
	}}
	if _, err := expr.CheckPattern(pattern); err != nil {
		return made // other engines would read it in another way
	}
	return declared{made, "pattern", fixed(options{"column": column, "pattern": pattern})}
}

// Func is a check by a function of one's own, which refuses rows of a batch by their
// indexes, rising. It remembers nothing from batch to batch, is safe for concurrent
// use, and its errors hold no values. It runs in Go only.
func Func(name string, refuse func(ctx context.Context, batch arrow.RecordBatch) ([]int, error)) etl.Check {
	return check{name, etl.SpanRow, func(etl.Target) (start, error) {
		if name == "" || refuse == nil {
			return nil, errors.New("it needs a name and a function")
		}
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			return &rows{rule: "are refused", refuse: refuse}, nil
		}, nil
	}}
}
