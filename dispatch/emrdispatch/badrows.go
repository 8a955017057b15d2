package emrdispatch

import (
	"context"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/dispatch"
)

var _ etl.BadRowKeeper = (*Dispatcher)(nil)

// HandedOver implements [etl.BadRowKeeper].
func (d *Dispatcher) HandedOver(ctx context.Context, jobID string) (etl.HandedOver, error) {
	return dispatch.ReadHandedOver(ctx, d.cfg.Store, jobID)
}

// Forget implements [etl.BadRowKeeper].
func (d *Dispatcher) Forget(ctx context.Context, jobID string) error {
	return dispatch.Forget(ctx, d.cfg.Store, jobID)
}
