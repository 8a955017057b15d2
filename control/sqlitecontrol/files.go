package sqlitecontrol

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/tidemark-data/etl"
	"github.com/tidemark-data/etl/control/internal/body"
)

// pageSize is how many rows are read at a time. Between pages nothing of the
// database is held, so that the consumer may write to it.
const pageSize = 500

// place is where a record stands in the order of Files.
type place struct {
	order, location []byte
	id              string
}

type placed struct {
	place
	rec etl.FileRecord
}

// Files implements [etl.ControlStore]. It reads page by page: a record that is
// changed while the iteration runs shows as it was or as it is.
func (s *Store) Files(ctx context.Context, q etl.FileQuery) iter.Seq2[etl.FileRecord, error] {
	return func(yield func(etl.FileRecord, error) bool) {
		next := s.pages(ctx, q)
		for left := q.Limit; ; {
			page, more, err := next(left)
			if err != nil {
				yield(etl.FileRecord{}, fmt.Errorf("sqlitecontrol: files of %q: %w", q.Table, err))
				return
			}
			for _, r := range page {
				if err := ctx.Err(); err != nil {
					yield(etl.FileRecord{}, err)
					return
				}
				if !yield(r.rec, nil) {
					return
				}
			}
			left -= len(page)
			if !more || (q.Limit > 0 && left <= 0) {
				return
			}
		}
	}
}

// pages returns the function that reads the next page, of at most limit records
// unless that is 0, and says whether there may be more.
func (s *Store) pages(ctx context.Context, q etl.FileQuery) func(limit int) ([]placed, bool, error) {
	if len(q.IDs) > 0 {
		return func(limit int) ([]placed, bool, error) {
			recs, err := s.filesByID(ctx, q)
			if limit > 0 && len(recs) > limit {
				recs = recs[:limit]
			}
			return recs, false, err
		}
	}
	var after *place
	return func(limit int) ([]placed, bool, error) {
		n := pageSize
		if limit > 0 {
			n = min(n, limit)
		}
		query, args := pageQuery(q, after, n)
		recs, err := s.scanFiles(ctx, query, args)
		if len(recs) > 0 {
			after = &recs[len(recs)-1].place
		}
		return recs, len(recs) == n, err
	}
}

const fileColumns = `SELECT order_key, location, id, body FROM files `

// pageQuery selects the n records after a place. Each status has a branch of
// its own, because only then does the index give them in order.
func pageQuery(q etl.FileQuery, after *place, n int) (string, []any) {
	where, args := `WHERE tbl = ?`, []any{q.Table}
	if q.Kind != etl.Unknown {
		where, args = where+` AND kind = ?`, append(args, q.Kind.String())
	}
	if after != nil {
		where += ` AND (order_key, location, id) > (?, ?, ?)`
		args = append(args, after.order, after.location, after.id)
	}
	const order = ` ORDER BY order_key, location, id LIMIT ?`
	if len(q.Statuses) == 0 {
		return fileColumns + where + order, append(args, n)
	}
	var branches []string
	var all []any
	for _, st := range slices.Compact(slices.Sorted(slices.Values(q.Statuses))) {
		branches = append(branches, `SELECT * FROM (`+fileColumns+where+` AND status = ?`+order+`)`)
		all = append(append(all, args...), string(st), n)
	}
	return strings.Join(branches, ` UNION ALL `) + order, append(all, n)
}

// filesByID looks the records up by their primary key, which is quicker than to
// walk the table's and needs memory for no more than was asked for.
func (s *Store) filesByID(ctx context.Context, q etl.FileQuery) ([]placed, error) {
	var out []placed
	ids := slices.Compact(slices.Sorted(slices.Values(q.IDs)))
	for chunk := range slices.Chunk(ids, pageSize) {
		args := make([]any, len(chunk))
		for i, id := range chunk {
			args[i] = id
		}
		list := strings.TrimSuffix(strings.Repeat("?,", len(chunk)), ",")
		recs, err := s.scanFiles(ctx, fileColumns+`WHERE id IN (`+list+`)`, args)
		if err != nil {
			return nil, err
		}
		for _, r := range recs {
			if (q.AnyTable || r.rec.Table == q.Table) && (q.Kind == etl.Unknown || r.rec.Kind == q.Kind) &&
				(len(q.Statuses) == 0 || slices.Contains(q.Statuses, r.rec.Status)) {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, func(a, b placed) int {
		return cmp.Or(slices.Compare(a.order, b.order), slices.Compare(a.location, b.location), cmp.Compare(a.id, b.id))
	})
	return out, nil
}

func (s *Store) scanFiles(ctx context.Context, query string, args []any) ([]placed, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, declare(ctx, err)
	}
	defer rows.Close()
	var out []placed
	for rows.Next() {
		var p placed
		var data []byte
		if err := rows.Scan(&p.order, &p.location, &p.id, &data); err != nil {
			return nil, declare(ctx, err)
		}
		if p.rec, err = body.Unmarshal[etl.FileRecord](data); err != nil {
			return nil, corrupt("file", p.id)
		}
		p.order, p.location = blob(string(p.order)), blob(string(p.location)) // an empty one may be read as nil
		out = append(out, p)
	}
	return out, declare(ctx, rows.Err())
}

// History implements [etl.ControlStore]. Entries appended while the iteration
// runs do not show.
func (s *Store) History(ctx context.Context, table string) iter.Seq2[etl.Entry, error] {
	return func(yield func(etl.Entry, error) bool) {
		for before := int64(1<<63 - 1); ; {
			page, last, err := s.historyPage(ctx, table, before)
			if err != nil {
				yield(etl.Entry{}, fmt.Errorf("sqlitecontrol: history of %q: %w", table, err))
				return
			}
			for _, e := range page {
				if err := ctx.Err(); err != nil {
					yield(etl.Entry{}, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if len(page) < pageSize {
				return
			}
			before = last
		}
	}
}

func (s *Store) historyPage(ctx context.Context, table string, before int64) (page []etl.Entry, last int64, err error) {
	rows, err := s.db.QueryContext(ctx, `SELECT seq, body FROM history WHERE tbl = ? AND seq < ?
		ORDER BY seq DESC LIMIT ?`, table, before, pageSize)
	if err != nil {
		return nil, 0, declare(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&last, &data); err != nil {
			return nil, 0, declare(ctx, err)
		}
		e, err := body.Unmarshal[etl.Entry](data)
		if err != nil {
			return nil, 0, corrupt("history of", table)
		}
		page = append(page, e)
	}
	return page, last, declare(ctx, rows.Err())
}
