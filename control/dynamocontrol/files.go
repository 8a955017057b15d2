package dynamocontrol

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

// Files implements [etl.ControlStore]. It reads page by page: a record that is
// changed while the iteration runs shows as it was or as it is; one that
// changes between settled and not may be missed.
func (s *Store) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	return func(yield func(etl.FileRecord, error) bool) {
		n := 0
		for batch, err := range s.batches(ctx, q) {
			for _, r := range batch {
				if err = ctx.Err(); err != nil {
					break
				}
				if !yield(r, nil) {
					return
				}
				if n++; n == q.Limit {
					return
				}
			}
			if err != nil {
				yield(etl.FileRecord{}, fmt.Errorf("dynamocontrol: files of %q: %w", q.Table, err))
				return
			}
		}
	}
}

// batches yields the matching records, in order, a few at a time.
func (s *Store) batches(ctx context.Context, q etl.FileQuery) iter.Seq2[[]etl.FileRecord, error] {
	if len(q.IDs) > 0 {
		return func(yield func([]etl.FileRecord, error) bool) { yield(s.filesByID(ctx, q)) }
	}
	return func(yield func([]etl.FileRecord, error) bool) {
		h := newHints(s, q)
		for {
			hints, err := h.take(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(hints) == 0 {
				return
			}
			recs, err := s.hinted(ctx, q, hints)
			if !yield(recs, err) || err != nil {
				return
			}
		}
	}
}

func matches(q etl.FileQuery, r etl.FileRecord) bool {
	return (q.AnyTable && len(q.IDs) > 0 || r.Table == q.Table) && (q.Kind == etl.Unknown || r.Kind == q.Kind) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, r.Status))
}

type sortable struct {
	id  string
	rec etl.FileRecord
}

func sorted(recs []sortable) []etl.FileRecord {
	slices.SortFunc(recs, func(a, b sortable) int {
		return cmp.Or(cmp.Compare(a.rec.Order, b.rec.Order), cmp.Compare(a.rec.Location, b.rec.Location), cmp.Compare(a.id, b.id))
	})
	out := make([]etl.FileRecord, len(recs))
	for i := range recs {
		out[i] = recs[i].rec
	}
	return out
}

// filesByID needs memory for no more than was asked for.
func (s *Store) filesByID(ctx context.Context, q etl.FileQuery) ([]etl.FileRecord, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var found []sortable
	for ids := range slices.Chunk(sortedIDs(q.IDs), batchRead) {
		recs, err := s.files(ctx, ids)
		if err != nil {
			return nil, err
		}
		for id, r := range recs {
			if matches(q, r) {
				found = append(found, sortable{id, r})
			}
		}
	}
	return sorted(found), nil
}

// hinted reads the records that hints lead to, and believes the records. The
// hints are a range of the order, so sorting them settles cut places.
func (s *Store) hinted(ctx context.Context, q etl.FileQuery, hints []hint) ([]etl.FileRecord, error) {
	known := make(map[hint]bool, len(hints))
	ids := make([]string, len(hints))
	for i, h := range hints {
		known[h], ids[i] = true, h.id
	}
	var found []sortable
	for ids := range slices.Chunk(sortedIDs(ids), batchRead) {
		recs, err := s.files(ctx, ids)
		if err != nil {
			return nil, err
		}
		for id, r := range recs {
			if matches(q, r) && known[hint{placeOf(r).at, id}] {
				found = append(found, sortable{id, r})
			}
		}
	}
	return sorted(found), nil
}

// History implements [etl.ControlStore]. Entries appended while the iteration
// runs do not show.
func (s *Store) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	return func(yield func(etl.Entry, error) bool) {
		fail := func(err error) {
			yield(etl.Entry{}, fmt.Errorf("dynamocontrol: history of %q: %w", table, err))
		}
		pk := PartitionKey(table)
		for it, err := range s.query(ctx, pk, skHistory, queryOptions{descending: true}) {
			var entries []etl.Entry
			if err == nil {
				entries, err = s.entries(ctx, pk, it)
			}
			for _, e := range slices.Backward(entries) {
				if err = ctx.Err(); err != nil {
					break
				}
				if !yield(e, nil) {
					return
				}
			}
			if err != nil {
				fail(err)
				return
			}
		}
	}
}

func (s *Store) entries(ctx context.Context, pk string, it item) ([]etl.Entry, error) {
	data, err := s.load(ctx, pk, documentOf(it))
	if err != nil {
		return nil, err
	}
	entries, err := body.Unmarshal[[]etl.Entry](data)
	if err != nil {
		return nil, corrupt("the history", nil)
	}
	return entries, nil
}
