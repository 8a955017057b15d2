package etltest

import (
	"context"
	"iter"

	"github.com/tidemark-data/etl"
)

// Quarantine returns q with points.
func (i *Injector) Quarantine(q etl.Quarantine) etl.Quarantine { return &faultQuarantine{i, q} }

type faultQuarantine struct {
	inj *Injector
	q   etl.Quarantine
}

func (f *faultQuarantine) Put(ctx context.Context, table, set string, rows []etl.BadRow) error {
	return f.inj.scope().call("quarantine.Put", func() error { return f.q.Put(ctx, table, set, rows) })
}

func (f *faultQuarantine) Rows(ctx context.Context, table string) iter.Seq2[etl.BadRow, error] {
	return iterate(f.inj, "quarantine.Rows", func() iter.Seq2[etl.BadRow, error] { return f.q.Rows(ctx, table) })
}

func (f *faultQuarantine) Update(ctx context.Context, rows ...etl.BadRow) error {
	return f.inj.scope().call("quarantine.Update", func() error { return f.q.Update(ctx, rows...) })
}

func (f *faultQuarantine) Remove(ctx context.Context, table string, ids ...string) error {
	return f.inj.scope().call("quarantine.Remove", func() error { return f.q.Remove(ctx, table, ids...) })
}
