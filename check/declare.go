package check

import (
	"context"
	"fmt"

	"github.com/tidemark-data/etl"
)

// declared is a check that engines which run no Go code know by its kind and options.
type declared struct {
	check
	kind    string
	options func(ctx context.Context, scope etl.CheckScope) (options, error)
}

type options = map[string]any

var _ etl.CheckDeclarer = declared{}

// DeclareFor implements [etl.CheckDeclarer]. Values that are written in the declaration
// of the table stand in it as bytes that compare as the values of the column do.
func (d declared) DeclareFor(ctx context.Context, scope etl.CheckScope) (etl.Declaration, error) {
	if _, err := d.plan(scope.Target); err != nil {
		return etl.Declaration{}, etl.WithOutcome(etl.Terminal, err)
	}
	opts, err := d.options(ctx, scope)
	if err != nil {
		return etl.Declaration{}, err
	}
	return etl.Declaration{Kind: d.kind, Options: opts}, nil
}

// fixed are options that do not depend on the load.
func fixed(opts options) func(context.Context, etl.CheckScope) (options, error) {
	return func(context.Context, etl.CheckScope) (options, error) { return opts, nil }
}

// encoded is a value of a column as engines compare it.
func encoded(target etl.Target, column, text string) ([]byte, error) {
	_, col, err := position(target, column)
	if err != nil {
		return nil, err
	}
	value, err := literal(col, text)
	if err != nil {
		return nil, fmt.Errorf("column %s: %w", column, err)
	}
	return value, nil
}
