package awsjob

import (
	"context"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

// WithResult adds to the status of a job that has ended what it has left. A result
// that cannot be used is none, and the reason says so: the table decides then. An
// error means that the store may answer later.
func WithResult(ctx context.Context, store dispatch.Store, ref etl.JobRef, s etl.JobStatus) (etl.JobStatus, error) {
	uri := ref.Result
	if uri == "" {
		docs, err := dispatch.Locate(store, ref.JobID)
		if err != nil {
			return s, err
		}
		uri = docs.Result
	}
	result, err := dispatch.ReadResult(ctx, store, ref.JobID, uri)
	switch {
	case err == nil:
		s.Result = result
	case etl.OutcomeOf(err) == etl.Terminal:
		s.Reason += "; " + printable(err.Error())
	default:
		return etl.JobStatus{}, err
	}
	return s, nil
}
