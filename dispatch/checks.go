package dispatch

import (
	"context"

	"github.com/tidemark-data/etl"
)

// ManifestCheck is a check of a table in declared form, with what it takes from the
// ledger and from the source: counts of loads before, and the number of rows expected.
type ManifestCheck struct {
	Name   string          `json:"name"`
	Action etl.CheckAction `json:"action"`
	etl.Declaration
}

// checks writes down the checks of a job's table. An error of outcome Retry is that of
// a count which is not there yet.
func checks(ctx context.Context, job etl.Job) ([]ManifestCheck, error) {
	scope := job.Scope
	scope.Load, scope.Target = job.Load, job.Target
	var out []ManifestCheck
	for _, t := range job.Table.Checks {
		d, err := t.Declare(ctx, scope)
		switch {
		case err != nil && etl.OutcomeOf(err) == etl.Indeterminate:
			return nil, etl.WithOutcome(etl.Retry, err)
		case err != nil && etl.OutcomeOf(err) == etl.Terminal:
			return nil, undeclared(err)
		case err != nil:
			return nil, err
		}
		c := ManifestCheck{Name: t.Check.Name(), Action: t.Action, Declaration: d}
		if c.Action == "" {
			c.Action = etl.CheckPause
		}
		out = append(out, c)
	}
	return out, nil
}
