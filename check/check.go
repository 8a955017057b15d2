// Package check judges loads before they are committed. Each check is an
// [etl.Check] and stands in [etl.Table.Checks] with what follows if it does not
// hold.
//
// Some checks look at single rows and refuse those that are wrong, which can then be
// set aside one by one: [Complete] with a share of 1, [Unique], [Range], [Allowed],
// [Pattern], [References], [Func]. The others judge the load as a whole. All of them
// see the rows of the load that won, after all transforms, whether the table has them
// already or not. Nulls are the business of [Complete] alone; other checks pass over
// them. [Rows], [RowsOf] and [Volume] count all rows of the load's files.
//
// Engines that run no Go code make the same checks with the same verdicts, to the word:
// each declares itself for one load ([etl.CheckDeclarer]), with the counts that it takes
// from the history or from the source. [Func], counters of one's own ([DistinctBy]) and
// patterns that engines read in different ways run in Go only; tables with such checks
// stay under flag L.
//
// Approximate counts of distinct values take a third party's code: package hllcheck.
package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/internal/rowkey"
	"github.com/tidemark-data/etl/internal/textconv"
)

// check is a check made of a function, which looks at the declaration.
type check struct {
	name string
	span etl.CheckSpan
	plan func(target etl.Target) (start, error)
}

var (
	_ etl.Check          = check{}
	_ etl.CheckValidator = check{}
	_ etl.CheckSpanner   = check{}
)

// start begins the check of a load.
type start func(ctx context.Context, scope etl.CheckScope) (etl.Checker, error)

// named is the name of a check of columns.
func named(kind string, columns ...string) string {
	return kind + "(" + strings.Join(columns, ", ") + ")"
}

// Name implements [etl.Check].
func (c check) Name() string { return c.name }

// Span implements [etl.CheckSpanner].
func (c check) Span() etl.CheckSpan { return c.span }

// Begin implements [etl.Check].
func (c check) Begin(ctx context.Context, scope etl.CheckScope) (etl.Checker, error) {
	begin, err := c.plan(scope.Target)
	if err != nil {
		return nil, etl.WithOutcome(etl.Terminal, fmt.Errorf("check %s: %w", c.name, err))
	}
	checker, err := begin(ctx, scope)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", c.name, err)
	}
	return checker, nil
}

// Validate implements [etl.CheckValidator].
func (c check) Validate(target etl.Target) error {
	if _, err := c.plan(target); err != nil {
		return fmt.Errorf("check %s: %w", c.name, err)
	}
	return nil
}

// rows is a checker of single rows.
type rows struct {
	column string
	rule   string // what refused rows are, as "outside the range"
	refuse func(ctx context.Context, batch arrow.RecordBatch) ([]int, error)

	seen, refused int64
}

// Rows implements [etl.Checker].
func (r *rows) Rows(ctx context.Context, batch arrow.RecordBatch) ([]int, error) {
	bad, err := r.refuse(ctx, batch)
	r.seen += batch.NumRows()
	r.refused += int64(len(bad))
	return bad, err
}

// Verdict implements [etl.Checker].
func (r *rows) Verdict(context.Context, etl.Counts) (etl.Verdict, error) {
	return r.verdict(r.refused), nil
}

func (r *rows) verdict(against int64) etl.Verdict {
	return etl.Verdict{OK: against == 0, Column: r.column, Finding: fmt.Sprintf("%d of %d rows %s", against, r.seen, r.rule)}
}

// refusing begins a check that remembers nothing from row to row.
func refusing(column, rule string, refuse func(batch arrow.RecordBatch) ([]int, error)) start {
	return func(context.Context, etl.CheckScope) (etl.Checker, error) {
		return &rows{column: column, rule: rule, refuse: func(_ context.Context, b arrow.RecordBatch) ([]int, error) { return refuse(b) }}, nil
	}
}

// whole is a checker that judges at the end.
type whole struct {
	look    func(batch arrow.RecordBatch) error // nil if rows do not matter
	verdict func(counts etl.Counts) etl.Verdict
}

// Rows implements [etl.Checker].
func (w *whole) Rows(_ context.Context, batch arrow.RecordBatch) ([]int, error) {
	if w.look == nil {
		return nil, nil
	}
	return nil, w.look(batch)
}

// Verdict implements [etl.Checker].
func (w *whole) Verdict(_ context.Context, counts etl.Counts) (etl.Verdict, error) {
	return w.verdict(counts), nil
}

// position returns the place of a column, and its declaration.
func position(target etl.Target, column string) (int, etl.Column, error) {
	i := target.Columns.Index(column)
	if i < 0 {
		return 0, etl.Column{}, fmt.Errorf("the table has no column %s", column)
	}
	return i, target.Columns[i], nil
}

func positions(target etl.Target, columns []string) ([]int, error) {
	at := make([]int, len(columns))
	for i, name := range columns {
		var err error
		if at[i], _, err = position(target, name); err != nil {
			return nil, err
		}
	}
	return at, nil
}

// literal encodes a value that is written in a declaration, so that it compares as
// the column's values do.
func literal(col etl.Column, text string) ([]byte, error) {
	b, err := textconv.New(etl.Column{Name: col.Name, Type: col.Type, Zone: col.Zone})
	if err != nil {
		return nil, err
	}
	if rule := b.Append([]byte(text)); rule != "" {
		return nil, fmt.Errorf("%q is %s", text, rule)
	}
	a := b.NewArray()
	defer a.Release()
	r, err := rowkey.NewReader([]arrow.Array{a})
	if err != nil {
		return nil, err
	}
	return r.Append(nil, 0), nil
}

// each calls fn with the encoded values of the columns of each row without nulls, and
// returns the rows for which it returns false.
func each(batch arrow.RecordBatch, at []int, fn func(value []byte) bool) ([]int, error) {
	cols := make([]arrow.Array, len(at))
	for i, c := range at {
		cols[i] = batch.Column(c)
	}
	r, err := rowkey.NewReader(cols)
	if err != nil {
		return nil, err
	}
	var bad []int
	var buf []byte
	for row := range int(batch.NumRows()) {
		if r.Null(row) >= 0 {
			continue
		}
		if buf = r.Append(buf[:0], row); !fn(buf) {
			bad = append(bad, row)
		}
	}
	return bad, nil
}
