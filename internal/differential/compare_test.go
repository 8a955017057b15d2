package differential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	etl "github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/etltest"
)

// compare says in what two lanes differ: the rows of their tables, what the tables
// tell of their loads, or the ledgers.
func compare(ctx context.Context, a, b *lane) error {
	var errs []error
	for _, what := range []struct {
		name string
		tell func(context.Context, *lane) ([]string, error)
	}{
		{"rows", rows}, {"loads", loads}, {"ledger", ledger}, {"state", state}, {"history", history}, {"quarantine", quarantined},
	} {
		want, err := what.tell(ctx, a)
		if err != nil {
			return fmt.Errorf("%s of the first lane: %w", what.name, err)
		}
		got, err := what.tell(ctx, b)
		if err != nil {
			return fmt.Errorf("%s of the second lane: %w", what.name, err)
		}
		if d := diff(want, got); d != "" {
			errs = append(errs, fmt.Errorf("%s differ:\n%s", what.name, d))
		}
	}
	return errors.Join(errs...)
}

// diff lists lines that only one side has.
func diff(want, got []string) string {
	var b strings.Builder
	count := map[string]int{}
	for _, l := range want {
		count[l]++
	}
	for _, l := range got {
		count[l]--
	}
	for _, l := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(want, got)))) {
		switch n := count[l]; {
		case n > 0:
			fmt.Fprintf(&b, "  - %s\n", l)
		case n < 0:
			fmt.Fprintf(&b, "  + %s\n", l)
		}
	}
	return b.String()
}

// rows are the rows of the table in no order, each value with its type.
func rows(ctx context.Context, l *lane) ([]string, error) {
	if s, err := standing(ctx, l); err != nil || len(s.Loads) == 0 {
		return nil, err // there may be no table
	}
	table, err := etltest.ReadRows(ctx, l.sink, l.table.Name)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, row := range table.Sorted() {
		out = append(out, fmt.Sprintf("%q", row))
	}
	return out, nil
}

func standing(ctx context.Context, l *lane) (etl.Standing, error) {
	target, err := l.table.Target()
	if err != nil {
		return etl.Standing{}, err
	}
	return l.sink.Standing(ctx, target)
}

// loads are what the table's own metadata tells, but for times, snapshots and
// sizes, which no two engines have in common.
func loads(ctx context.Context, l *lane) ([]string, error) {
	s, err := standing(ctx, l)
	if err != nil || len(s.Loads) == 0 {
		return nil, err
	}
	out := []string{fmt.Sprintf("epoch %d, watermark %s %s, landed %s, complete %v",
		s.Epoch, s.Watermark, s.WatermarkFile, s.Landed.UTC().Format(time.RFC3339Nano), s.Complete)}
	for i, p := range s.Loads {
		out = append(out, fmt.Sprintf("%d %s %s epoch %d files %v last %s %s: %+v",
			i, p.ID, p.Kind, p.Epoch, p.FileIDs, p.LastName, p.Receipt.LoadID, p.Receipt.Counts))
	}
	return out, nil
}

func ledger(ctx context.Context, l *lane) ([]string, error) {
	var out []string
	for r, err := range l.control.Files(ctx, etl.FileQuery{Table: l.table.Name}) {
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%s %s %s order %s epoch %d load %s accepted %v in table %v",
			etltest.FileKey(r.File), r.Kind, r.Status, r.Order, r.Epoch, r.LoadID, r.Accepted, r.InTable))
	}
	return out, nil
}

func state(ctx context.Context, l *lane) ([]string, error) {
	st, err := l.control.State(ctx, l.table.Name)
	if err != nil {
		return nil, err
	}
	out := []string{
		fmt.Sprintf("paused %v", st.Flag == etl.FlagPaused),
		fmt.Sprintf("epoch %d landed %s, watermark %s %s", st.Epoch, st.EpochLanded.UTC().Format(time.RFC3339Nano), st.Watermark, st.WatermarkFile),
		fmt.Sprintf("running %v, job %v", st.Running != nil, st.Job != nil),
	}
	if d := st.Paused; d != nil {
		out = append(out, "diagnosis "+place(*d))
	}
	if o := st.Open; o != nil {
		out = append(out, fmt.Sprintf("open: epoch %d, %d files, complete %v", o.Epoch, o.Files, o.Complete))
	}
	return out, nil
}

// place is where and what a diagnosis says went wrong.
func place(d etl.Diagnosis) string {
	return fmt.Sprintf("%s row %d column %s rule %s load %s", d.File, d.Row, d.Column, d.Rule, d.LoadID)
}

// history are the loads and failures that the ledger has entered.
func history(ctx context.Context, l *lane) ([]string, error) {
	var out []string
	for e, err := range l.control.History(ctx, l.table.Name) {
		switch {
		case err != nil:
			return nil, err
		case e.Receipt != nil:
			out = append(out, fmt.Sprintf("%s %s %s epoch %d files %d last %s: %+v", e.Kind, e.LoadID, e.LoadKind, e.Epoch, e.Files, e.LastFile, e.Receipt.Counts))
		case e.Diagnosis != nil:
			out = append(out, fmt.Sprintf("%s %s files %d: %s", e.Kind, e.LoadID, e.Files, place(*e.Diagnosis)))
		}
	}
	return out, nil
}
