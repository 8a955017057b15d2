package awslake

import (
	"context"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/sink/icebergsink/catalogsink"
)

// Sink is the sink of package catalogsink that refuses tables which the catalog
// would not keep as they are declared, before it does anything.
type Sink struct {
	*catalogsink.Sink
	// Check is asked of each table; nil takes all.
	Check func(etl.Target) error
}

var (
	_ etl.Sink       = (*Sink)(nil)
	_ etl.Fencer     = (*Sink)(nil)
	_ etl.Witness    = (*Sink)(nil)
	_ etl.Maintainer = (*Sink)(nil)
)

// Apply implements [etl.Sink].
func (s *Sink) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	if err := s.check(target); err != nil {
		return etl.Receipt{}, err
	}
	return s.Sink.Apply(ctx, target, load, changes)
}

// Fence implements [etl.Fencer].
func (s *Sink) Fence(ctx context.Context, target etl.Target, fence int64) error {
	if err := s.check(target); err != nil {
		return err
	}
	return s.Sink.Fence(ctx, target, fence)
}

func (s *Sink) check(target etl.Target) error {
	if s.Check == nil {
		return nil
	}
	return s.Check(target)
}
