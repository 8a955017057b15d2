package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/tidemark-data/etl"
)

// Complete holds where at least share (0 to 1) of the rows have a value in the
// column. With a share of 1 it refuses the rows that have none.
func Complete(column string, share float64) etl.Check {
	return check{"complete", func(target etl.Target) (start, error) {
		at, _, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if share < 0 || share > 1 {
			return nil, errors.New("the share lies between 0 and 1")
		}
		nulls := func(batch arrow.RecordBatch) []int {
			col := batch.Column(at)
			if col.NullN() == 0 {
				return nil
			}
			var bad []int
			for row := range col.Len() {
				if col.IsNull(row) {
					bad = append(bad, row)
				}
			}
			return bad
		}
		if share == 1 {
			return refusing(column, "have no value", func(b arrow.RecordBatch) ([]int, error) { return nulls(b), nil }), nil
		}
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			var seen, empty int64
			return &whole{
				look: func(b arrow.RecordBatch) error {
					seen += b.NumRows()
					empty += int64(len(nulls(b)))
					return nil
				},
				verdict: func(etl.Counts) (etl.Verdict, error) {
					return etl.Verdict{
						OK: float64(seen-empty) >= share*float64(seen), Column: column,
						Finding: fmt.Sprintf("%d of %d rows have no value, at least %g must have one", empty, seen, share),
					}, nil
				},
			}, nil
		}, nil
	}}
}

// refusing begins a check that remembers nothing from row to row.
func refusing(column, rule string, refuse func(batch arrow.RecordBatch) ([]int, error)) start {
	return func(context.Context, etl.CheckScope) (etl.Checker, error) {
		return &rows{column: column, rule: rule, refuse: refuse}, nil
	}
}

// UniqueLimit is how many rows of a load [Unique] tells apart; it takes some 40
// bytes for each.
const UniqueLimit = 20_000_000

// Unique holds where no two rows of the load have the same values in the columns; it
// refuses the later ones. Rows that are in the table already are not looked at, and
// a load of more than UniqueLimit rows does not hold.
func Unique(columns ...string) etl.Check {
	return check{"unique", func(target etl.Target) (start, error) {
		at, err := positions(target, columns)
		if err != nil {
			return nil, err
		}
		if len(at) == 0 {
			return nil, errors.New("it names no columns")
		}
		return func(context.Context, etl.CheckScope) (etl.Checker, error) {
			// Two independent hashes of 64 bits, seeded at random.
			one, two := maphash.MakeSeed(), maphash.MakeSeed()
			seen := map[[2]uint64]struct{}{}
			return &rows{column: strings.Join(columns, ", "), rule: "are there already", refuse: func(b arrow.RecordBatch) ([]int, error) {
				bad, err := each(b, at, func(_ int, value []byte) bool {
					h := [2]uint64{maphash.Bytes(one, value), maphash.Bytes(two, value)}
					if _, twice := seen[h]; twice {
						return false
					}
					seen[h] = struct{}{}
					return true
				})
				if err == nil && len(seen) > UniqueLimit {
					err = etl.WithOutcome(etl.Terminal, fmt.Errorf("check unique: more than %d rows cannot be told apart", UniqueLimit))
				}
				return bad, err
			}}, nil
		}, nil
	}}
}

// Range holds where the values of the column lie between least and most, both
// inclusive, and refuses the rows of others. They are written as the column's values
// are in files; empty is no limit.
func Range(column, least, most string) etl.Check {
	return check{"range", func(target etl.Target) (start, error) {
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
		if err != nil {
			return nil, err
		}
		return refusing(column, "are outside the range", func(b arrow.RecordBatch) ([]int, error) {
			return each(b, []int{at}, func(_ int, value []byte) bool {
				return (low == nil || bytes.Compare(value, low) >= 0) && (high == nil || bytes.Compare(value, high) <= 0)
			})
		}), nil
	}}
}

// Allowed holds where the column has one of the values, and refuses the rows of
// others. They are written as the column's values are in files.
func Allowed(column string, values ...string) etl.Check {
	return check{"allowed", func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		set := map[string]bool{}
		for _, v := range values {
			b, err := literal(col, v)
			if err != nil {
				return nil, err
			}
			set[string(b)] = true
		}
		return refusing(column, "have a value that is not allowed", func(b arrow.RecordBatch) ([]int, error) {
			return each(b, []int{at}, func(_ int, value []byte) bool { return set[string(value)] })
		}), nil
	}}
}

// Pattern holds where the texts of the column match the regular expression (package
// regexp) from their first to their last letter, and refuses the rows of others.
func Pattern(column, expr string) etl.Check {
	return check{"pattern", func(target etl.Target) (start, error) {
		at, col, err := position(target, column)
		if err != nil {
			return nil, err
		}
		if col.Type != etl.String {
			return nil, fmt.Errorf("column %s is a %v, patterns are for text", column, col.Type)
		}
		re, err := regexp.Compile(`\A(?:` + expr + `)\z`)
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
}

// References holds where the values of the columns are those of a row of another
// table, in the columns that there correspond to them, and refuses the others. The
// other table is read once for each load, and its values are held in memory.
func References(columns []string, table string, others []string) etl.Check {
	return check{"references", func(target etl.Target) (start, error) {
		at, err := positions(target, columns)
		if err != nil {
			return nil, err
		}
		if len(columns) == 0 || len(columns) != len(others) {
			return nil, errors.New("it needs as many columns of one table as of the other")
		}
		return func(ctx context.Context, scope etl.CheckScope) (etl.Checker, error) {
			if scope.Tables == nil {
				return nil, errors.New("the sink does not let tables be read")
			}
			known := map[string]struct{}{}
			for batch, err := range scope.Tables.Scan(ctx, table, others...) {
				if err == nil {
					err = gather(batch, others, known)
				}
				if err != nil {
					return nil, fmt.Errorf("table %s: %w", table, err)
				}
			}
			rule := "refer to no row of " + table
			return &rows{column: strings.Join(columns, ", "), rule: rule, refuse: func(b arrow.RecordBatch) ([]int, error) {
				return each(b, at, func(_ int, value []byte) bool {
					_, ok := known[string(value)]
					return ok
				})
			}}, nil
		}, nil
	}}
}

func gather(batch arrow.RecordBatch, columns []string, into map[string]struct{}) error {
	at := make([]int, len(columns))
	for i, name := range columns {
		found := batch.Schema().FieldIndices(name)
		if len(found) != 1 {
			return etl.WithOutcome(etl.Terminal, fmt.Errorf("it has no column %s", name))
		}
		at[i] = found[0]
	}
	_, err := each(batch, at, func(_ int, value []byte) bool {
		into[string(value)] = struct{}{}
		return true
	})
	return err
}

// Func is a check by a function of one's own, which refuses rows of a batch by their
// indexes, rising.
func Func(name string, refuse func(ctx context.Context, batch arrow.RecordBatch) ([]int, error)) etl.Check {
	return check{name, func(etl.Target) (start, error) {
		return func(ctx context.Context, _ etl.CheckScope) (etl.Checker, error) {
			return &rows{rule: "are refused", refuse: func(b arrow.RecordBatch) ([]int, error) { return refuse(ctx, b) }}, nil
		}, nil
	}}
}
