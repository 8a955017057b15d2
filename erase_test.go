package etl_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/format"
	"github.com/tidemark-data/etl/sink"
)

// exact is a sink that takes a target, but for loads, only as the table is.
type exact struct {
	*sink.Memory
	columns etl.Columns // of the table
	fenced  etl.Columns // as the table was taken for when it was closed to a load
	lost    bool        // commits are, to who made them
	step    func()      // runs during Maintain, which then has more to do
}

func (s *exact) check(target etl.Target) error {
	if fmt.Sprint(target.Columns) != fmt.Sprint(s.columns) {
		return etl.WithOutcome(etl.Terminal, fmt.Errorf("table %s has %v, not %v", target.Name, s.columns, target.Columns))
	}
	return nil
}

func (s *exact) Apply(ctx context.Context, target etl.Target, load etl.Load, changes *etl.Changes) (etl.Receipt, error) {
	receipt, err := s.Memory.Apply(ctx, target, load, changes)
	if err == nil {
		s.columns = target.Columns
	}
	if s.lost {
		return etl.Receipt{}, etl.ErrUnknownCommit
	}
	return receipt, err
}

func (s *exact) Erase(ctx context.Context, target etl.Target, req etl.ErasureRequest) (etl.ErasedRows, error) {
	if err := s.check(target); err != nil {
		return etl.ErasedRows{}, err
	}
	return s.Memory.Erase(ctx, target, req)
}

func (s *exact) Purge(ctx context.Context, target etl.Target, fence int64) (etl.PurgeReport, error) {
	if err := s.check(target); err != nil {
		return etl.PurgeReport{}, err
	}
	return s.Memory.Purge(ctx, target, fence)
}

func (s *exact) Fence(ctx context.Context, target etl.Target, fence int64) error {
	s.fenced = target.Columns
	return s.Memory.Fence(ctx, target, fence)
}

func (s *exact) Discard(ctx context.Context, target etl.Target) error {
	if err := s.check(target); err != nil {
		return err
	}
	return s.Memory.Discard(ctx, target)
}

func (s *exact) Maintain(_ context.Context, target etl.Target, _ etl.MaintainOptions) (etl.MaintainReport, error) {
	if err := s.check(target); err != nil || s.step == nil {
		return etl.MaintainReport{}, err
	}
	s.step()
	s.step = nil
	return etl.MaintainReport{More: true, Commits: []string{"1"}}, nil
}

// between is a locker that does something before it gives a lease.
type between struct {
	etl.Locker
	do func()
}

func (b *between) Acquire(ctx context.Context, name string, ttl time.Duration) (etl.Lease, error) {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Locker.Acquire(ctx, name, ttl)
}

// newEvolving returns a table of one person, with a column that evolution added and
// one that it widened.
func newEvolving(t *testing.T) (*pipeline, *exact) {
	table := people()
	table.Format, table.Contract = format.JSONLines{}, etl.Contract{New: etl.Evolve, Type: etl.Evolve}
	table.Columns[2].Type = etl.Int
	p := newPipeline(t, table)
	s := &exact{Memory: p.sink}
	p.config.Sink = s
	p.restart()
	p.land("hr/people/LOAD00000001.json", `{"id":1,"name":"Ann","seq":1}`+"\n"+`{"id":2,"name":"Bob","seq":1}`+"\n")
	p.ingest()
	p.land("hr/people/20240220-110825000.json", `{"op":"U","id":1,"name":"Anne","seq":5000000000,"town":"Ulm"}`+"\n")
	p.ingest()
	require.Equal(t, []string{"1,Anne,5000000000,Ulm", "2,Bob,1,-"}, p.rows("hr.people"))
	return p, s
}

func (p *pipeline) erase(within time.Duration, ids ...string) etl.ErasureReport {
	var rows [][]string
	for _, id := range ids {
		rows = append(rows, []string{id})
	}
	keys, err := format.Keys(p.config.Tables[0], rows)
	require.NoError(p.t, err)
	rep, err := p.runner.Erase(p.t.Context(), "hr.people", keys, etl.EraseOptions{Within: within})
	require.NoError(p.t, err)
	return rep
}

func TestEraseFromAnEvolvedTable(t *testing.T) {
	p, _ := newEvolving(t)
	rep := p.erase(0, "1")
	require.EqualValues(t, 1, rep.Rows)
	require.NotNil(t, rep.Purged)
	require.Equal(t, []string{"2,Bob,1,-"}, p.rows("hr.people"))

	require.NoError(t, p.runner.Reload(t.Context(), "hr.people"))
	loads := p.ingest().Tables[0].Loads
	require.Len(t, loads, 2)
	for _, l := range loads {
		require.EqualValues(t, 1, l.Receipt.Counts.Filtered)
	}
	require.Equal(t, []string{"2,Bob,1,-"}, p.rows("hr.people"))

	p.land("hr/people/20240220-110826000.json", `{"op":"I","id":3,"name":"Cy","seq":3,"town":"Bonn","tall":true}`+"\n")
	p.ingest()
	require.Equal(t, []string{"2,Bob,1,-,-", "3,Cy,3,Bonn,true"}, p.rows("hr.people"))
	require.EqualValues(t, 1, p.erase(0, "3").Rows)
	require.Equal(t, []string{"2,Bob,1,-,-"}, p.rows("hr.people"))
}

func TestOlderVersionsOfAnEvolvedTableGo(t *testing.T) {
	p, _ := newEvolving(t)
	require.Nil(t, p.erase(time.Hour, "1").Purged)
	p.now = p.now.Add(2 * time.Hour)
	p.ingest()
	st, err := p.runner.Status(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Empty(t, st.Erasure)
	require.Empty(t, st.State.Erasures.List[0].Trouble)
	require.Zero(t, st.State.Erasures.List[0].Due)
}

// TestEraseAfterALostCommit: the ledger learns of the columns while the erasure settles
// the load that brought them, and its rows are erased too.
func TestEraseAfterALostCommit(t *testing.T) {
	p, s := newEvolving(t)
	s.lost = true
	p.land("hr/people/20240220-110826000.json", `{"op":"I","id":3,"name":"Cy","seq":3,"town":"Bonn","tall":true}`+"\n")
	_, err := p.runner.Ingest(t.Context())
	require.ErrorIs(t, err, etl.ErrUnknownCommit)
	st, err := p.runner.Status(t.Context(), "hr.people")
	require.NoError(t, err)
	require.NotNil(t, st.State.Running)
	require.Len(t, st.State.Evolved, 2)
	require.Len(t, s.columns, 5)

	s.lost = false
	require.EqualValues(t, 1, p.erase(0, "3").Rows)
	require.Equal(t, []string{"1,Anne,5000000000,Ulm,-", "2,Bob,1,-,-"}, p.rows("hr.people"))
	st, err = p.runner.Status(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Nil(t, st.State.Running)
	require.Len(t, st.State.Evolved, 3)
	require.Len(t, s.fenced, 4, "the table is closed to a load with other columns than the ledger knows")
}

// TestLoadsEvolveTheTableBetweenStepsOfMaintenance, which then goes on with the table
// as it is.
func TestLoadsEvolveTheTableBetweenStepsOfMaintenance(t *testing.T) {
	p, s := newEvolving(t)
	b := &between{Locker: p.config.Locker}
	p.config.Locker = b
	p.restart()
	p.land("hr/people/20240220-110826000.json", `{"op":"I","id":3,"name":"Cy","seq":3,"town":"Bonn","tall":true}`+"\n")
	s.step = func() { b.do = func() { p.ingest() } }
	_, err := p.runner.Maintain(t.Context(), "hr.people")
	require.NoError(t, err)
	require.Nil(t, b.do)
	require.Len(t, s.columns, 5)
}
